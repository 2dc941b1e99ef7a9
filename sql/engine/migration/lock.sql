-- migration/lock
-- Wait until nobody else migrates this database, as long as lock_timeout allows; held until
-- it is let go or the session ends.
-- params: none
-- rows: one     transaction: any; outlives it
SELECT pg_advisory_lock(hashtextextended('outbox-worker migrate', 0))
