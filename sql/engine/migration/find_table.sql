-- migration/find_table
-- The table of migrations, by its columns: ours, one of a version before 0.1, or neither.
-- params: none
-- rows: one     transaction: any
SELECT coalesce(array_agg(attname::text), '{}') FROM pg_attribute
WHERE attrelid = to_regclass('outbox.migration') AND NOT attisdropped
  AND attname IN ('owner', 'number', 'name', 'checksum')
