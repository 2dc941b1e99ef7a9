-- migration/list_taken
-- Of the schemas that migrations are about to make those that are there already and are not
-- an administrator's for them: with the first one ever, `outbox` may be there as long as it
-- is empty.
-- params: schemas text[]
-- rows: many (text)     transaction: any
SELECT nspname::text FROM pg_namespace
WHERE nspname = ANY(%(schemas)s::text[])
  AND (nspname <> 'outbox'
       OR EXISTS (SELECT FROM pg_class WHERE relnamespace = pg_namespace.oid)
       OR EXISTS (SELECT FROM pg_proc WHERE pronamespace = pg_namespace.oid)
       OR EXISTS (SELECT FROM pg_type WHERE typnamespace = pg_namespace.oid))
ORDER BY nspname
