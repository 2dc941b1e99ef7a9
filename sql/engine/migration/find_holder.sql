-- migration/find_holder
-- Who migrates this database: the session that holds the lock of `migration/lock`. Since
-- when it is there is NULL where it is another user's and we may not see that.
-- params: none
-- rows: maybe     transaction: any
SELECT pid, application_name, backend_start
FROM pg_locks JOIN pg_stat_activity USING (pid),
     hashtextextended('outbox-worker migrate', 0) AS wanted
WHERE locktype = 'advisory' AND granted
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
  -- A bigint lies in pg_locks in two halves (objsubid 1).
  AND objsubid = 1 AND ((classid::bigint << 32) | objid::bigint) = wanted
