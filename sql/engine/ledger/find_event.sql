-- ledger/find_event
-- What the table of events has of a dead letter: the size of its payload in bytes (NULL: a
-- tombstone), its content type, the names of its own headers, when it was written and by whom; and
-- how many open dead letters of its key and topic are before it, and after it.
-- params: id bigint
-- rows: one, or none where the event was removed     transaction: any
SELECT octet_length(event.payload), event.content_type,
       ARRAY(SELECT jsonb_object_keys(coalesce(nullif(event.headers, 'null'), '{}')) ORDER BY 1),
       event.created_at, event.writer,
       (SELECT count(*) FROM outbox.dead_letter_event AS other
        WHERE other.shard = letter.shard AND other.topic = letter.topic AND other.key = letter.key
          AND other.state IN ('parked', 'redriving') AND other.id < letter.id),
       (SELECT count(*) FROM outbox.dead_letter_event AS other
        WHERE other.shard = letter.shard AND other.topic = letter.topic AND other.key = letter.key
          AND other.state IN ('parked', 'redriving') AND other.id > letter.id)
FROM outbox.dead_letter_event AS letter
JOIN outbox.event ON event.id = letter.id AND event.created_at = letter.created_at
WHERE letter.id = %(id)s::bigint
