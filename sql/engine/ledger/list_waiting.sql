-- ledger/list_waiting
-- Events of a topic, of one of its keys, or of an event id, that are not published as far as the
-- mirror knows, by shard: shard, how many of them, the first by its event id, topic and key, the id of
-- the last, and how many later ones of the key of one event there are.
-- params: topic text, key text, event_id uuid, last bigint (the highest id; NULL: any)
-- rows: many (at most 16)     index: event_xid_shard_idx     transaction: any
WITH place AS (
    SELECT shard.shard::smallint AS shard, coalesce(seen, '1:1:'::pg_snapshot) AS seen, upper, cursor
    FROM generate_series(0, outbox.shard_count() - 1) AS shard (shard)
         LEFT JOIN outbox.position USING (shard)
), bound AS (
    SELECT pg_snapshot_xmax(seen) AS xmax FROM place ORDER BY 1 LIMIT 1
), unseen AS (
    SELECT shard, xid, id, event_id, topic, key FROM outbox.event
    WHERE xid >= (SELECT xmax FROM bound)
    UNION ALL
    SELECT shard, xid, id, event_id, topic, key FROM outbox.event
    WHERE xid = ANY(ARRAY(SELECT pg_snapshot_xip(seen) FROM place))
      AND xid < (SELECT xmax FROM bound)
), waiting AS (
    SELECT unseen.* FROM unseen JOIN place USING (shard)
    WHERE NOT pg_visible_in_snapshot(xid, seen)
      AND NOT (upper IS NOT NULL AND id <= cursor AND pg_visible_in_snapshot(xid, upper))
), asked AS (
    SELECT * FROM waiting
    WHERE (%(topic)s::text IS NULL OR topic = %(topic)s::text)
      AND (%(key)s::text IS NULL OR key = %(key)s::text)
      AND (%(event_id)s::uuid IS NULL OR event_id = %(event_id)s::uuid)
      AND (%(last)s::bigint IS NULL OR id <= %(last)s::bigint)
)
SELECT shard::integer, count(*), (array_agg(event_id::text ORDER BY id))[1],
       (array_agg(topic ORDER BY id))[1], (array_agg(key ORDER BY id))[1], max(id),
       (SELECT count(*) FROM waiting AS later JOIN asked AS one USING (shard, topic, key)
        WHERE %(event_id)s::uuid IS NOT NULL AND one.shard = asked.shard AND later.id > one.id)
FROM asked GROUP BY shard ORDER BY shard
