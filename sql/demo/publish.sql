-- demo/publish
-- Append an event in the caller's transaction, as a service does.
-- params: topic, key, type, payload text (JSON; NULL: a tombstone), idempotency_key text
-- rows: one (the event id)     transaction: the caller's
SELECT outbox.publish(%(topic)s::text, %(key)s::text, %(type)s::text, %(payload)s::jsonb,
                      idempotency_key => %(idempotency_key)s::text)::text
