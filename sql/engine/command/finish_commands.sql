-- command/finish_commands
-- Write down what came of several commands, each a result or an error, unless it is finished.
-- (Asked by finished_at, as in command/finish_command. The ids are given twice: with a join
-- alone, a plan made for an empty table may read every command of the index, and hash it.)
-- params: command_ids uuid[], statuses text[], outcomes text[] (JSON)
-- rows: rowcount     index: command_pkey     transaction: the caller's
UPDATE outbox.command
SET status = given.status,
    result = CASE WHEN given.status = 'succeeded' THEN given.outcome::jsonb END,
    error = CASE WHEN given.status = 'rejected' THEN given.outcome::jsonb END,
    finished_at = clock_timestamp()
FROM unnest(%(command_ids)s::uuid[], %(statuses)s::text[], %(outcomes)s::text[])
     AS given (command_id, status, outcome)
WHERE command.command_id = ANY (%(command_ids)s::uuid[]) AND command.command_id = given.command_id
    AND finished_at IS NULL
