-- outbox/read_stragglers
-- Rows of a backlog up to its cursor whose transactions were in progress at its
-- border `upper` and have ended since, in id order: at most `rows` of them. A
-- transaction in progress may have a xid above the xmax of the border.
-- id + 0: by the transactions, also in a partition that the planner takes for empty.
-- params: xmax xid8, xip xid8[] (of upper), seen, fresh pg_snapshot, floor, cursor, shard, rows,
--         largest bigint (bytes above which a payload is left where it is)
-- rows: many     index: event_xid_shard_idx     transaction: none (autocommit)
SELECT id, xid, shard, event_id::text, topic, key, type, content_type,
       to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
       headers::text, CASE WHEN size <= %(largest)s::bigint THEN payload END, size, writer
FROM (
    SELECT *, coalesce(octet_length(payload), 0) + coalesce(pg_column_size(headers), 0) AS size
    FROM outbox.event
    WHERE xid >= %(xmax)s::xid8 AND shard = %(shard)s::smallint
      AND id + 0 > %(floor)s::bigint AND id + 0 <= %(cursor)s::bigint
    UNION ALL
    SELECT *, coalesce(octet_length(payload), 0) + coalesce(pg_column_size(headers), 0) AS size
    FROM outbox.event
    WHERE xid = ANY(%(xip)s::xid8[]) AND shard = %(shard)s::smallint
      AND id + 0 > %(floor)s::bigint AND id + 0 <= %(cursor)s::bigint
) AS late
WHERE pg_visible_in_snapshot(xid, %(fresh)s::pg_snapshot)
  AND NOT pg_visible_in_snapshot(xid, %(seen)s::pg_snapshot)
ORDER BY id
LIMIT %(rows)s::bigint
