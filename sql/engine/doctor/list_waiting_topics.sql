-- doctor/list_waiting_topics
-- The topics of the events that are not published as far as the mirror knows, of at most `most` such
-- events: how many of each, the bytes of the largest (payload, twice the key, type, headers as text)
-- and its id, whether one has no key, and for how many seconds the oldest has been waiting.
-- params: most bigint
-- rows: many     transaction: any
WITH place AS (
    SELECT shard::smallint AS shard, coalesce(seen, '1:1:'::pg_snapshot) AS seen, upper, cursor
    FROM generate_series(0, outbox.shard_count() - 1) AS shard (shard)
         LEFT JOIN outbox.position USING (shard)
), bound AS (
    SELECT pg_snapshot_xmax(seen) AS xmax FROM place ORDER BY 1 LIMIT 1
), unseen AS (
    SELECT shard, xid, id, created_at, topic, key, type, headers, payload
    FROM outbox.event WHERE xid >= (SELECT xmax FROM bound)
    UNION ALL
    SELECT shard, xid, id, created_at, topic, key, type, headers, payload
    FROM outbox.event
    WHERE xid = ANY (ARRAY(SELECT pg_snapshot_xip(seen) FROM place))
      AND xid < (SELECT xmax FROM bound)
), waiting AS (
    SELECT unseen.id, topic, key, created_at,
           coalesce(octet_length(payload), 0) + 2 * coalesce(octet_length(key), 0)
           + octet_length(type) + coalesce(octet_length(headers::text), 0) AS bytes
    FROM unseen JOIN place USING (shard)
    WHERE NOT pg_visible_in_snapshot(unseen.xid, seen)
      AND NOT (upper IS NOT NULL AND unseen.id <= cursor
               AND pg_visible_in_snapshot(unseen.xid, upper))
    LIMIT %(most)s::bigint
)
SELECT topic, count(*), max(bytes)::bigint, (array_agg(id ORDER BY bytes DESC))[1],
       bool_or(key IS NULL),
       extract(epoch FROM clock_timestamp() - min(created_at))::float8
FROM waiting GROUP BY topic ORDER BY topic
