-- right/list_refused
-- Logins with outbox_writer that no right of a kind covers, where some right of that kind is given:
-- they can write nothing of that kind.
-- params: none
-- rows: many     transaction: any
SELECT login.rolname, kind.name
FROM (
    SELECT 'topic' AS name, array_agg(DISTINCT role) AS roles FROM outbox.topic_right
    UNION ALL
    SELECT 'command', array_agg(DISTINCT role) FROM outbox.command_right
) AS kind
CROSS JOIN pg_roles AS login
WHERE kind.roles IS NOT NULL AND login.rolcanlogin AND NOT login.rolsuper
  AND pg_has_role(login.oid, 'outbox_writer', 'member')
  AND NOT pg_has_role(login.oid, 'outbox_commands', 'member')
  AND NOT EXISTS (SELECT FROM unnest(kind.roles) AS role
                  WHERE pg_has_role(login.oid, role::oid, 'member'))
ORDER BY kind.name DESC, login.rolname
