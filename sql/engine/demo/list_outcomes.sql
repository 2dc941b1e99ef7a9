-- demo/list_outcomes
-- What came of some commands, as far as they are finished: what a service waits for.
-- params: command_ids uuid[]
-- rows: many     index: command_pkey     transaction: any
SELECT command_id, status, result, error, finished_at
FROM outbox.command WHERE command_id = ANY (%(command_ids)s::uuid[]) AND status <> 'queued'
