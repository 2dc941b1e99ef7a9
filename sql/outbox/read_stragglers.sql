-- outbox/read_stragglers
-- Rows up to the cursor of a backlog whose transactions were in progress at its
-- border `upper` and have ended since, in id order: at most `rows` of them.
-- params: xip xid8[] (of upper), seen, fresh pg_snapshot, floor, cursor, shards, rows
-- rows: many     index: event_xid_shard_idx     transaction: none (autocommit)
SELECT id, xid, shard, event_id::text, topic, key, type, content_type,
       to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
       headers::text, payload,
       coalesce(octet_length(payload), 0) + coalesce(pg_column_size(headers), 0)
FROM outbox.event
WHERE xid = ANY(%(xip)s::xid8[]) AND shard = ANY(%(shards)s::smallint[])
  AND id > %(floor)s::bigint AND id <= %(cursor)s::bigint
  AND pg_visible_in_snapshot(xid, %(fresh)s::pg_snapshot)
  AND NOT pg_visible_in_snapshot(xid, %(seen)s::pg_snapshot)
ORDER BY id
LIMIT %(rows)s::bigint
