-- bench/count_queued
-- How many commands are queued.
-- params: none
-- rows: one
SELECT count(*) FROM outbox.command WHERE status = 'queued'
