-- By shard what is not published yet, as far as the mirror knows: one pass over the
-- rows that some shard has not seen.
CREATE VIEW outbox.lag AS
WITH place AS (
    SELECT shard.shard::smallint AS shard, coalesce(seen, '1:1:'::pg_snapshot) AS seen,
           upper, cursor, updated_at, worker
    FROM generate_series(0, outbox.shard_count() - 1) AS shard (shard)
         LEFT JOIN outbox.position USING (shard)
), bound AS (
    SELECT pg_snapshot_xmax(seen) AS xmax FROM place ORDER BY 1 LIMIT 1
), unseen AS (
    SELECT shard, xid, id, created_at FROM outbox.event
    WHERE xid >= (SELECT xmax FROM bound)
    UNION ALL
    SELECT shard, xid, id, created_at FROM outbox.event
    WHERE xid = ANY(ARRAY(SELECT pg_snapshot_xip(seen) FROM place))
      AND xid < (SELECT xmax FROM bound)
), waiting AS (
    SELECT shard, count(*) AS events, min(created_at) AS oldest
    FROM unseen JOIN place USING (shard)
    WHERE NOT pg_visible_in_snapshot(xid, seen)
      AND NOT (upper IS NOT NULL AND id <= cursor AND pg_visible_in_snapshot(xid, upper))
    GROUP BY shard
)
SELECT place.shard,
       coalesce(waiting.events, 0) AS events,
       coalesce(extract(epoch FROM clock_timestamp() - waiting.oldest), 0)::float8 AS seconds,
       place.updated_at AS position_time,
       place.worker
FROM place LEFT JOIN waiting USING (shard);
GRANT SELECT ON outbox.lag TO outbox_reader, outbox_worker;
