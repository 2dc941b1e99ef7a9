-- command/insert_history
-- Write down a failure of a queued command, unless another worker has it in hand, or has counted a
-- failure or finished it since this one claimed it.
-- params: command_id uuid, failures smallint (as claimed), what text, attempt smallint, worker text,
--         error_type text, error text, place text
-- rows: rowcount     index: command_pkey     transaction: the caller's
INSERT INTO outbox.command_history
    (command_id, what, attempt, written_by, error_type, error, place)
SELECT command_id, %(what)s::text, %(attempt)s::smallint, %(worker)s::text, %(error_type)s::text,
       %(error)s::text, %(place)s::text
FROM outbox.command
WHERE command_id = %(command_id)s::uuid AND finished_at IS NULL AND failures = %(failures)s::smallint
FOR UPDATE SKIP LOCKED
