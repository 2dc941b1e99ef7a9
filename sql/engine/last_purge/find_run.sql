-- last_purge/find_run
-- When purge last did all of its work, for how many seconds that has been so, and what it kept.
-- params: none
-- rows: maybe     transaction: any
SELECT finished_at, extract(epoch FROM clock_timestamp() - finished_at)::float8, older_than_days,
       written_by
FROM outbox.last_purge
