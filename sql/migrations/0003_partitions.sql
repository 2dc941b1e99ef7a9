-- Partitions by day. Making and dropping them takes the owner's rights, which a
-- worker does not have: these two functions do it for the worker, and no more.
-- Both give up after the caller's lock_timeout.

-- Make the partition of a UTC day: true where it was made, false where it is there,
-- NULL where rows of that day sit in the default partition (they stay there).
CREATE FUNCTION outbox.add_partition(day date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    name text := 'event_' || to_char(day, 'YYYYMMDD');
    lower timestamptz := day::timestamp AT TIME ZONE 'UTC';
    upper timestamptz := (day + 1)::timestamp AT TIME ZONE 'UTC';
BEGIN
    -- Two workers that meet at midnight: the second one finds the day made.
    PERFORM pg_advisory_xact_lock(hashtextextended('outbox-worker partitions', 0));
    IF to_regclass('outbox.' || name) IS NOT NULL THEN
        RETURN false;
    END IF;
    IF EXISTS (SELECT FROM outbox.event_default
               WHERE created_at >= lower AND created_at < upper) THEN
        RETURN NULL;
    END IF;
    -- ATTACH lets writers go on; CREATE ... PARTITION OF would lock them out.
    EXECUTE format('CREATE TABLE outbox.%I (LIKE outbox.event INCLUDING ALL)', name);
    EXECUTE format('ALTER TABLE outbox.event ATTACH PARTITION outbox.%I '
                   'FOR VALUES FROM (%L) TO (%L)', name, lower, upper);
    RETURN true;
END $$;

-- Whether some row with created_at in [lower, upper) is not published, as far as
-- the mirror knows: it is never ahead of Kafka.
CREATE FUNCTION outbox.has_unpublished(lower timestamptz, upper timestamptz) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET plan_cache_mode = force_custom_plan AS $$
    SELECT EXISTS (
        SELECT FROM generate_series(0, 15) AS shard (shard)
        LEFT JOIN outbox.position USING (shard)
        CROSS JOIN LATERAL (
            SELECT FROM (
                SELECT xid, id FROM outbox.event
                WHERE event.shard = shard.shard AND created_at >= $1 AND created_at < $2
                  AND xid >= coalesce(pg_snapshot_xmax(position.seen), '0'::xid8)
                UNION ALL
                SELECT xid, id FROM outbox.event
                WHERE event.shard = shard.shard AND created_at >= $1 AND created_at < $2
                  AND xid = ANY(ARRAY(SELECT pg_snapshot_xip(position.seen)))
            ) AS unseen
            WHERE NOT coalesce(id <= position.cursor
                               AND pg_visible_in_snapshot(xid, position.upper), false)
            LIMIT 1
        ) AS waiting
    )
$$;

-- Drop the partition of a day if all of its rows are published; false where some
-- are not. Nobody can add a row between the look and the drop.
CREATE FUNCTION outbox.drop_partition(day date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    name text := 'event_' || to_char(day, 'YYYYMMDD');
    lower timestamptz := day::timestamp AT TIME ZONE 'UTC';
    upper timestamptz := (day + 1)::timestamp AT TIME ZONE 'UTC';
BEGIN
    EXECUTE format('LOCK TABLE ONLY outbox.event, outbox.%I IN ACCESS EXCLUSIVE MODE', name);
    IF outbox.has_unpublished(lower, upper) THEN
        RETURN false;
    END IF;
    EXECUTE format(
        'INSERT INTO outbox.purged AS kept (id, xid)
         SELECT id, xid FROM (SELECT id FROM outbox.%1$I ORDER BY id DESC LIMIT 1) AS a,
                             (SELECT xid FROM outbox.%1$I ORDER BY xid DESC LIMIT 1) AS b
         WHERE true
         ON CONFLICT (one) DO UPDATE SET id = greatest(kept.id, excluded.id),
                                         xid = greatest(kept.xid, excluded.xid)', name);
    EXECUTE format('DROP TABLE outbox.%I', name);
    RETURN true;
END $$;

REVOKE ALL ON FUNCTION outbox.add_partition, outbox.has_unpublished, outbox.drop_partition
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION outbox.add_partition, outbox.has_unpublished, outbox.drop_partition
    TO outbox_worker;
