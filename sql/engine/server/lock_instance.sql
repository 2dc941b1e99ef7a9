-- server/lock_instance
-- Take the name of an instance for as long as this session lives; false where
-- another session holds it, true again where this one does.
-- params: name text
-- rows: one     transaction: none (the lock is the session's)
SELECT pg_try_advisory_lock(hashtextextended('outbox-worker instance ' || %(name)s::text, 0))
