-- outbox/read_chunk
-- The next rows of some shards above their cursors and up to the id `last` that `upper`
-- shows and that were not seen, in id order: at most `rows`, and none once those before it
-- hold `bytes` (so at least one). What is not returned is not read out of line.
-- params: seen pg_snapshot[], cursors bigint[] (by shard, from 1), least bigint (the least
--         of the cursors), last bigint, upper pg_snapshot, shards smallint[], rows, bytes,
--         largest bigint (bytes above which a payload is left where it is)
-- rows: many     index: event_pkey     transaction: none (autocommit)
SELECT id, xid, shard, event_id::text, topic, key, type, content_type,
       to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
       headers::text, CASE WHEN size <= %(largest)s::bigint THEN payload END, size, writer
FROM (
    SELECT *, sum(size) OVER (ROWS UNBOUNDED PRECEDING) - size AS before
    FROM (
        SELECT *, coalesce(octet_length(payload), 0)
                  + coalesce(pg_column_size(headers), 0) AS size
        FROM outbox.event
        WHERE id > %(least)s::bigint AND id <= %(last)s::bigint AND shard = ANY(%(shards)s::smallint[])
          AND id > (%(cursors)s::bigint[])[shard + 1]
          AND pg_visible_in_snapshot(xid, %(upper)s::pg_snapshot)
          AND NOT pg_visible_in_snapshot(xid, (%(seen)s::pg_snapshot[])[shard + 1])
        ORDER BY id
        LIMIT %(rows)s::bigint
    ) AS sized
) AS summed
WHERE before <= %(bytes)s::bigint
