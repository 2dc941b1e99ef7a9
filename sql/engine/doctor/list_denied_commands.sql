-- doctor/list_denied_commands
-- By type and message of Postgres: queued commands that wait because the worker lacks a right, and one
-- of them.
-- params: none
-- rows: many     transaction: any
SELECT type, last.error, count(*), min(command_id::text)
FROM outbox.command CROSS JOIN LATERAL (
    SELECT what, entry.error FROM outbox.command_history AS entry
    WHERE entry.command_id = command.command_id ORDER BY at DESC LIMIT 1
) AS last
WHERE status = 'queued' AND retry_at IS NOT NULL AND last.what = 'refused'
GROUP BY type, last.error ORDER BY type, last.error
