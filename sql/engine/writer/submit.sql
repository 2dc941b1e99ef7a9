-- writer/submit
-- Ask for a command in the caller's transaction.
-- params: type, key text, payload jsonb, actor text, command_id, correlation_id uuid
-- rows: one (the command's id)     transaction: the caller's
SELECT outbox.submit(%(type)s::text, %(key)s::text, %(payload)s::jsonb, %(actor)s::text,
                     %(command_id)s::uuid, %(correlation_id)s::uuid)
