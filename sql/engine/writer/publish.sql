-- writer/publish
-- Publish JSON, or a tombstone (NULL), in the caller's transaction.
-- params: topic, key, type text, payload jsonb, event_id uuid, idempotency_key text, headers jsonb,
--         content_type text
-- rows: one (the event's id)     transaction: the caller's
SELECT outbox.publish(%(topic)s::text, %(key)s::text, %(type)s::text, %(payload)s::jsonb,
                      %(event_id)s::uuid, %(idempotency_key)s::text, %(headers)s::jsonb,
                      %(content_type)s::text)
