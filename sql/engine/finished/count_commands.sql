-- finished/count_commands
-- How many commands finished before `before`.
-- params: before timestamptz
-- rows: one     index: command_finished_idx     transaction: any
SELECT count(*) FROM outbox.command WHERE finished_at < %(before)s::timestamptz
