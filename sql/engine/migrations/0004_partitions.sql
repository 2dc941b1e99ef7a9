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

-- Whether some row in the partition of a UTC day is not published, as far as the mirror
-- knows: it is never ahead of Kafka. Published is what `seen` shows; in a backlog, which
-- ends at the border `upper`, also what `upper` shows up to `cursor`. It asks the partition
-- itself, so that it holds no lock on the table of events when it is done.
CREATE FUNCTION outbox.has_unpublished(day date) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    found_one boolean;
BEGIN
    EXECUTE format('SELECT EXISTS (
        SELECT FROM generate_series(0, outbox.shard_count() - 1) AS shard (shard)
        LEFT JOIN outbox.position USING (shard)
        CROSS JOIN LATERAL (
            SELECT coalesce(position.upper, position.seen, ''1:1:'') AS snapshot
        ) AS border
        CROSS JOIN LATERAL (
            SELECT FROM (
                SELECT xid FROM outbox.%1$I AS event
                WHERE event.shard = shard.shard AND xid >= pg_snapshot_xmax(border.snapshot)
                UNION ALL
                SELECT xid FROM outbox.%1$I AS event
                WHERE event.shard = shard.shard
                  AND xid = ANY(ARRAY(SELECT pg_snapshot_xip(border.snapshot)))
                UNION ALL
                -- + 0: by the ids, of which few are left, and not by the shard.
                SELECT xid FROM outbox.%1$I AS event
                WHERE event.shard + 0 = shard.shard
                  AND id > position.cursor AND pg_visible_in_snapshot(xid, position.upper)
            ) AS beyond
            WHERE position.seen IS NULL OR NOT pg_visible_in_snapshot(xid, position.seen)
            LIMIT 1
        ) AS waiting
    )', 'event_' || to_char(day, 'YYYYMMDD')) INTO found_one;
    RETURN found_one;
END $$;

-- Drop the partition of a day if all of its rows are published; false where some are not.
-- It looks through the day before it locks anybody out: for a shard whose position was never
-- renewed the look walks the whole day's index. Under the lock it only asks whether a row has
-- come since. Both rest on new snapshots, one for each statement, so any other isolation level
-- is refused.
-- No row is missed. What `looked` shows, the look that follows it saw, and found published;
-- what is published stays so (rebase gives a row that it takes back the xid of its own
-- transaction). What `looked` does not show is, in the xid of the row, at or above its xmax
-- or among its xip: each row has the xid of the transaction that wrote it. The lock waits
-- until all who wrote have ended, and lets nobody in: the snapshot after it shows every
-- such row. One is enough to leave the day to the next purge, published or not.
CREATE FUNCTION outbox.drop_partition(day date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    name text := 'event_' || to_char(day, 'YYYYMMDD');
    given text := current_setting('lock_timeout');
    a_second_longer text := 1000 * (1 + extract(epoch FROM
        current_setting('deadlock_timeout')::interval)) || 'ms';
    looked pg_snapshot;
    grew boolean;
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION 'outbox.drop_partition() works in READ COMMITTED only, this is %',
            upper(current_setting('transaction_isolation'))
            USING ERRCODE = 'invalid_transaction_state',
                  HINT = 'Its look under the lock must see what others have committed since: '
                         'SET default_transaction_isolation = ''read committed''.';
    END IF;
    -- Vacuum, and another purge, are waited for in a mode that keeps no writer waiting. One that
    -- Postgres runs by itself gives way to whoever has waited for deadlock_timeout.
    PERFORM set_config('lock_timeout', a_second_longer, true);
    EXECUTE format('LOCK TABLE ONLY outbox.%I IN SHARE UPDATE EXCLUSIVE MODE', name);
    PERFORM set_config('lock_timeout', given, true);
    looked := pg_current_snapshot();
    IF outbox.has_unpublished(day) THEN
        RETURN false;
    END IF;
    EXECUTE format('LOCK TABLE ONLY outbox.event, outbox.%I IN ACCESS EXCLUSIVE MODE', name);
    EXECUTE format(
        'SELECT EXISTS (
             SELECT FROM outbox.%1$I WHERE xid >= pg_snapshot_xmax($1)
             UNION ALL
             SELECT FROM outbox.%1$I WHERE xid = ANY(ARRAY(SELECT pg_snapshot_xip($1))))', name)
        INTO grew USING looked;
    IF grew THEN
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
