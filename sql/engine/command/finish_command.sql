-- command/finish_command
-- Write down what came of a command, with `result` or `error`, unless it is finished.
-- (Asked by finished_at: asked by status, a plan made for an empty table may take the
-- index of queued commands, and read all of it once there are many.)
-- params: command_id uuid, status text, result jsonb, error jsonb
-- rows: rowcount (0: finished by another)     index: command_pkey     transaction: the caller's
UPDATE outbox.command
SET status = %(status)s::text, result = %(result)s::jsonb, error = %(error)s::jsonb,
    finished_at = clock_timestamp()
WHERE command_id = %(command_id)s::uuid AND finished_at IS NULL
