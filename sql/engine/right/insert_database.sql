-- right/insert_database
-- Let a role use the outbox of this database, and with the first one nobody else; a known one changes
-- nothing.
-- params: role text (a role's name)
-- rows: rowcount     transaction: any
INSERT INTO outbox.database_right (role)
SELECT oid::regrole FROM pg_roles WHERE rolname = %(role)s::text
ON CONFLICT DO NOTHING
