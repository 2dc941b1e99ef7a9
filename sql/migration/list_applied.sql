-- migration/list_applied
-- The migrations that the schema has, in order.
-- params: none
-- rows: many     transaction: any
SELECT number, name, checksum FROM outbox.migration ORDER BY number
