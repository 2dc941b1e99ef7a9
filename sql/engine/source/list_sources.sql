-- source/list_sources
-- The CloudEvents source of each login that has one of its own.
-- params: none
-- rows: many     transaction: any
SELECT rolname, source FROM outbox.source JOIN pg_roles ON oid = role
