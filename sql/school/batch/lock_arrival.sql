-- batch/lock_arrival
-- Keep a batch id from being registered or purged, beside others who arrive: a registration
-- that is on its way has ended. Whether there is a batch is to be asked by a statement after
-- this one, and only where each statement has a snapshot of its own; so the level is returned.
-- params: batch_id uuid
-- rows: one (isolation level)     transaction: the caller's, until it ends
SELECT current_setting('transaction_isolation')
FROM pg_advisory_xact_lock_shared(hashtextextended('batch ' || %(batch_id)s::uuid::text, 0))
