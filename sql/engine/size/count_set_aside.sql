-- size/count_set_aside
-- How many commands are set aside, and were not retried.
-- params: none
-- rows: one     index: command_history_set_aside_idx     transaction: any
SELECT count(*)
FROM outbox.command_history AS last JOIN outbox.command USING (command_id)
WHERE what = 'set_aside' AND status = 'rejected'
  AND NOT EXISTS (SELECT FROM outbox.command_history AS later
                  WHERE later.command_id = last.command_id AND later.at > last.at)
