-- demo/submit
-- Ask for something in the caller's transaction, as a service does in any language.
-- params: type, key text, payload text (JSON), actor text, command_id uuid
-- rows: one (the command's id)     transaction: the caller's
SELECT outbox.submit(%(type)s::text, %(key)s::text, %(payload)s::jsonb, %(actor)s::text,
                     command_id => %(command_id)s::uuid)
