-- bench/count_rejected
-- How many commands were rejected.
-- params: none
-- rows: one
SELECT count(*) FROM outbox.command WHERE status = 'rejected'
