-- right/insert_command
-- Let a role submit commands whose type and actor fit patterns; known ones change nothing.
-- params: role text (a role's name), type text, actor text
-- rows: rowcount     transaction: any
INSERT INTO outbox.command_right (role, type, actor)
SELECT oid::regrole, %(type)s::text, %(actor)s::text
FROM pg_roles WHERE rolname = %(role)s::text
ON CONFLICT DO NOTHING
