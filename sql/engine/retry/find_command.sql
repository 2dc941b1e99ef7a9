-- retry/find_command
-- A command as it is stored.
-- params: command_id uuid
-- rows: maybe     transaction: any
SELECT command_id, type, key, actor, writer, correlation_id, status, failures, retry_at, submitted_at,
       finished_at, payload, result, error
FROM outbox.command WHERE command_id = %(command_id)s::uuid
