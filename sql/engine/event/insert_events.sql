-- event/insert_events
-- Append events in the order given: within a key a subscriber gets them in this order.
-- params: topics text[], keys text[], types text[], payloads bytea[] (JSON; NULL: a
--         tombstone), headers text[] (JSON)
-- rows: rowcount     transaction: the caller's
INSERT INTO outbox.event (topic, key, type, payload, content_type, headers)
SELECT topic, key, type, payload, 'application/json', headers::jsonb
FROM unnest(%(topics)s::text[], %(keys)s::text[], %(types)s::text[], %(payloads)s::bytea[],
            %(headers)s::text[])
     WITH ORDINALITY AS given (topic, key, type, payload, headers, place)
ORDER BY place
