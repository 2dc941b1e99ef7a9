-- The same answer from the indexes alone, also for a shard in a backlog: has_unpublished()
-- looked through every row that the backlog had published, and drop_partition() asks it
-- under its exclusive lock (25 s for a day of 3 million events).

-- Whether some row with created_at in [lower, upper) is not published, as far as
-- the mirror knows: it is never ahead of Kafka. Published is what `seen` shows; in a
-- backlog, which ends at the border `upper`, also what `upper` shows up to `cursor`.
CREATE OR REPLACE FUNCTION outbox.has_unpublished(lower timestamptz, upper timestamptz)
RETURNS boolean LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_custom_plan AS $$
    SELECT EXISTS (
        SELECT FROM generate_series(0, 15) AS shard (shard)
        LEFT JOIN outbox.position USING (shard)
        CROSS JOIN LATERAL (
            SELECT coalesce(position.upper, position.seen, '1:1:') AS snapshot
        ) AS border
        CROSS JOIN LATERAL (
            SELECT FROM (
                SELECT xid FROM outbox.event
                WHERE event.shard = shard.shard AND created_at >= $1 AND created_at < $2
                  AND xid >= pg_snapshot_xmax(border.snapshot)
                UNION ALL
                SELECT xid FROM outbox.event
                WHERE event.shard = shard.shard AND created_at >= $1 AND created_at < $2
                  AND xid = ANY(ARRAY(SELECT pg_snapshot_xip(border.snapshot)))
                UNION ALL
                -- + 0: by the ids, of which few are left, and not by the shard.
                SELECT xid FROM outbox.event
                WHERE event.shard + 0 = shard.shard AND created_at >= $1 AND created_at < $2
                  AND id > position.cursor AND pg_visible_in_snapshot(xid, position.upper)
            ) AS beyond
            WHERE position.seen IS NULL OR NOT pg_visible_in_snapshot(xid, position.seen)
            LIMIT 1
        ) AS waiting
    )
$$;
