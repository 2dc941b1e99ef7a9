-- rebase/read_snapshot
-- The snapshot of the transaction; it must be its first statement, before it has a xid.
-- params: none
-- rows: one     transaction: the caller's, REPEATABLE READ
SELECT pg_current_snapshot()::text
