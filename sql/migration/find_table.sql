-- migration/find_table
-- Whether the schema was ever migrated: the table is there, and is ours by its columns.
-- params: none
-- rows: one     transaction: any
SELECT count(*) = 3 FROM pg_attribute
WHERE attrelid = to_regclass('outbox.migration') AND NOT attisdropped
  AND attname IN ('number', 'name', 'checksum')
