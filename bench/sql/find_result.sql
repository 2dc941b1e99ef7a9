-- bench/find_result
-- What became of a command.
-- params: command_id uuid
-- rows: one
SELECT status FROM outbox.command WHERE command_id = %(command_id)s::uuid
