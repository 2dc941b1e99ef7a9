-- right/delete_database
-- Take back what insert_database gave.
-- params: role text (a role's name, or the number of one that was dropped)
-- rows: rowcount     transaction: any
DELETE FROM outbox.database_right
WHERE coalesce((SELECT rolname FROM pg_roles WHERE oid = role), role::text) = %(role)s::text
