-- batch/lock_registration
-- Hold the arrivals at a batch id, whether or not there is such a batch: who came early has
-- ended, and who comes now waits. What they wrote is seen only by statements after this one,
-- and only where each statement has a snapshot of its own; so the level is returned.
-- params: batch_id uuid
-- rows: one (isolation level)     transaction: the caller's, until it ends
SELECT current_setting('transaction_isolation')
FROM pg_advisory_xact_lock(hashtextextended('batch ' || %(batch_id)s::uuid::text, 0))
