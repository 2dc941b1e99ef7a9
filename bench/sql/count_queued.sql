-- bench/count_queued
-- How many commands are queued, how many were rejected.
-- params: none
-- rows: one
SELECT (SELECT count(*) FROM outbox.command WHERE status = 'queued'),
       (SELECT count(*) FROM outbox.command WHERE status = 'rejected')
