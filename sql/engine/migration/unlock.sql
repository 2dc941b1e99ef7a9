-- migration/unlock
-- Let the next one migrate this database.
-- params: none
-- rows: one     transaction: any
SELECT pg_advisory_unlock(hashtextextended('outbox-worker migrate', 0))
