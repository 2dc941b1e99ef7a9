-- migration/insert_applied
-- Note that a migration was applied.
-- params: number integer, name text, checksum text
-- rows: rowcount     transaction: the migration's own
INSERT INTO outbox.migration (number, name, checksum)
VALUES (%(number)s::integer, %(name)s::text, %(checksum)s::text)
