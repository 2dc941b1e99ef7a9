-- writer/publish_bytes
-- Publish bytes as they stand in the caller's transaction.
-- params: topic, key, type text, payload bytea, event_id uuid, idempotency_key text, headers jsonb,
--         content_type text, schema_id uuid
-- rows: one (the event's id)     transaction: the caller's
SELECT outbox.publish_bytes(%(topic)s::text, %(key)s::text, %(type)s::text, %(payload)s::bytea,
                            %(event_id)s::uuid, %(idempotency_key)s::text, %(headers)s::jsonb,
                            %(content_type)s::text, %(schema_id)s::uuid)
