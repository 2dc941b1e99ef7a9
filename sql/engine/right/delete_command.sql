-- right/delete_command
-- Take back what insert_command gave.
-- params: role text (a role's name, or the number of one that was dropped), type text, actor text
-- rows: rowcount     transaction: any
DELETE FROM outbox.command_right
WHERE coalesce((SELECT rolname FROM pg_roles WHERE oid = role), role::text) = %(role)s::text
  AND type = %(type)s::text AND actor = %(actor)s::text
