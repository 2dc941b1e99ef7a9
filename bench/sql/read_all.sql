-- bench/read_all
-- The events of a topic in the form of the relay's rows, in id order.
-- params: topic text
-- rows: many
SELECT id, xid, shard, event_id::text, topic, key, type, content_type,
       to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
       headers::text, payload,
       coalesce(octet_length(payload), 0) + coalesce(pg_column_size(headers), 0), writer
FROM outbox.event
WHERE topic = %(topic)s::text
ORDER BY id
