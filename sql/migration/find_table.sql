-- migration/find_table
-- Whether the schema was ever migrated.
-- params: none
-- rows: one     transaction: any
SELECT to_regclass('outbox.migration') IS NOT NULL
