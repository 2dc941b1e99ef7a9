-- rebase/reset_purged
-- Forget up to where purge dropped rows: the xid may be of another cluster, and would
-- excuse witnesses that are lost. The new positions name rows that stand in the table.
-- params: none
-- rows: rowcount     transaction: the caller's
DELETE FROM outbox.purged
