-- event/insert_events
-- Append events in the order given: within a key a subscriber gets them in this order.
-- params: topics text[], keys text[], types text[], payloads bytea[] (JSON; NULL: a
--         tombstone), correlation_ids text[]
-- rows: rowcount     transaction: the caller's
INSERT INTO outbox.event (topic, key, type, payload, content_type, headers)
SELECT topic, key, type, payload, 'application/json',
       jsonb_build_object('correlation-id', correlation_id)
FROM unnest(%(topics)s::text[], %(keys)s::text[], %(types)s::text[], %(payloads)s::bytea[],
            %(correlation_ids)s::text[])
     WITH ORDINALITY AS given (topic, key, type, payload, correlation_id, place)
ORDER BY place
