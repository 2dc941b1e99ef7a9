-- retry/retry_command
-- Queue a command again that was set aside, or have one that waits for its next attempt due at once.
-- params: command_id uuid
-- rows: one (false: it is neither, or a worker has it in hand)     transaction: the caller's
SELECT outbox.retry_command(%(command_id)s::uuid)
