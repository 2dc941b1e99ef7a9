-- migration/lock
-- Wait until nobody else migrates this database; held until the transaction ends.
-- params: none
-- rows: one     transaction: the caller's
SELECT pg_advisory_xact_lock(hashtextextended('outbox-worker migrate', 0))
