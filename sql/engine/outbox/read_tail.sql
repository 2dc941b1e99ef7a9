-- outbox/read_tail
-- Rows of some shards that were not seen yet, as far as this statement's own
-- snapshot shows them, after one row with id 0 that carries that snapshot as its
-- topic. In no order. At most `rows` of them, and none once those before it hold
-- `bytes`: the caller sees that there are too many and reads them as a backlog.
-- params: seen pg_snapshot[] (by shard, from 1), xmax xid8 (the least of them), xip xid8[]
--         (below xmax, in progress in any of them), shards smallint[], rows, bytes,
--         largest bigint (bytes above which a payload is left where it is)
-- rows: many     index: event_xid_shard_idx     transaction: none (autocommit)
SELECT 0::bigint AS id, NULL::xid8 AS xid, NULL::smallint AS shard, NULL::text AS event_id,
       pg_current_snapshot()::text AS topic, NULL::text AS key, NULL::text AS type,
       NULL::text AS content_type, NULL::text AS created_at, NULL::text AS headers,
       NULL::bytea AS payload, 0 AS size, NULL::text AS writer
UNION ALL
SELECT id, xid, shard, event_id::text, topic, key, type, content_type,
       to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
       headers::text, CASE WHEN size <= %(largest)s::bigint THEN payload END, size, writer
FROM (
    SELECT *, sum(size) OVER (ROWS UNBOUNDED PRECEDING) - size AS before
    FROM (
        SELECT *, coalesce(octet_length(payload), 0)
                  + coalesce(pg_column_size(headers), 0) AS size
        FROM (
            SELECT * FROM outbox.event
            WHERE xid >= %(xmax)s::xid8 AND shard = ANY(%(shards)s::smallint[])
              AND NOT pg_visible_in_snapshot(xid, (%(seen)s::pg_snapshot[])[shard + 1])
            UNION ALL
            SELECT * FROM outbox.event
            WHERE xid = ANY(%(xip)s::xid8[]) AND shard = ANY(%(shards)s::smallint[])
              AND NOT pg_visible_in_snapshot(xid, (%(seen)s::pg_snapshot[])[shard + 1])
        ) AS fresh
        LIMIT %(rows)s::bigint
    ) AS sized
) AS summed
WHERE before <= %(bytes)s::bigint
