-- migration/list_applied
-- The migrations of an owner that the database has, in order.
-- params: owner text
-- rows: many     transaction: any
SELECT number, name, checksum FROM outbox.migration
WHERE owner = %(owner)s::text ORDER BY number
