-- retry/list_history
-- What happened to a command that failed, the first failure first.
-- params: command_id uuid
-- rows: many     transaction: any
SELECT at, what, attempt, written_by, error_type, error, place
FROM outbox.command_history WHERE command_id = %(command_id)s::uuid
ORDER BY at
