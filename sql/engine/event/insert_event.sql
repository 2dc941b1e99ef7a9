-- event/insert_event
-- Append one event.
-- params: topic text, key text, type text, payload bytea (JSON; NULL: a tombstone), headers text (JSON)
-- rows: rowcount     transaction: the caller's
INSERT INTO outbox.event (topic, key, type, payload, content_type, headers)
VALUES (%(topic)s::text, %(key)s::text, %(type)s::text, %(payload)s::bytea, 'application/json',
        %(headers)s::text::jsonb)
