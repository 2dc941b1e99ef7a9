-- migration/limit_locks
-- Wait at most so long for a lock, 0 for ever, until the transaction ends.
-- params: milliseconds integer
-- rows: one     transaction: the caller's
SELECT set_config('lock_timeout', %(milliseconds)s::integer::text, true)
