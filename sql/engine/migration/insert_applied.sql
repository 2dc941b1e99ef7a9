-- migration/insert_applied
-- Note that a migration was applied.
-- params: owner text, number integer, name text, checksum text
-- rows: rowcount     transaction: the migration's own
INSERT INTO outbox.migration (owner, number, name, checksum)
VALUES (%(owner)s::text, %(number)s::integer, %(name)s::text, %(checksum)s::text)
