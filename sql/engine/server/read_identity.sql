-- server/read_identity
-- Which cluster this is, what has ended in it by now, and up to where purge
-- dropped rows.
-- params: none
-- rows: one     transaction: none (autocommit)
SELECT (SELECT system_identifier FROM pg_control_system()),
       pg_current_snapshot()::text,
       coalesce((SELECT id FROM outbox.purged), 0),
       coalesce((SELECT xid::text::bigint FROM outbox.purged), 0)
