-- command/find_writers
-- Who may have inserted commands that are not committed yet: each holds this lock from before
-- it draws their numbers until it ends, also while it is prepared.
-- params: none
-- rows: one     transaction: none (autocommit)
SELECT coalesce(array_agg(virtualtransaction), '{}') AS writers,
       pg_postmaster_start_time() AS server
FROM pg_locks
WHERE locktype = 'relation' AND mode = 'RowExclusiveLock' AND granted
  AND relation = 'outbox.command'::regclass
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
