-- demo/count_commands
-- How many commands there are, by status.
-- params: none
-- rows: many     transaction: any
SELECT status, count(*) FROM outbox.command GROUP BY status
