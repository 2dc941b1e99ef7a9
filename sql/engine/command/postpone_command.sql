-- command/postpone_command
-- Let a queued command, and with it its key, wait for some seconds, and count the
-- failures that are its own. Does nothing where another worker runs it by now.
-- params: command_id uuid, pause float8 (seconds), counted smallint
-- rows: rowcount     index: command_pkey     transaction: the caller's
UPDATE outbox.command
SET retry_at = clock_timestamp() + %(pause)s::float8 * interval '1 second',
    failures = failures + %(counted)s::smallint
WHERE command_id = (
    SELECT command_id FROM outbox.command
    WHERE command_id = %(command_id)s::uuid AND finished_at IS NULL
    FOR UPDATE SKIP LOCKED)
