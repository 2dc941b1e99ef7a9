-- right/list_refused
-- Logins with outbox_writer that no right of a kind covers, where some right of that kind is given:
-- they can write nothing of that kind. Of the kind database, logins with any role of ours; such a login
-- is named for the database alone.
-- params: none
-- rows: many     transaction: any
WITH login AS (
    SELECT oid, rolname, has_schema_privilege(oid, 'outbox', 'USAGE') AS is_let_in
    FROM pg_roles WHERE rolcanlogin AND NOT rolsuper
)
SELECT login.rolname, kind.name
FROM (
    SELECT 'topic' AS name, array_agg(DISTINCT role) AS roles FROM outbox.topic_right
    UNION ALL
    SELECT 'command', array_agg(DISTINCT role) FROM outbox.command_right
) AS kind
CROSS JOIN login
WHERE kind.roles IS NOT NULL AND login.is_let_in
  AND pg_has_role(login.oid, 'outbox_writer', 'member')
  AND NOT pg_has_role(login.oid, 'outbox_commands', 'member')
  AND NOT EXISTS (SELECT FROM unnest(kind.roles) AS role
                  WHERE pg_has_role(login.oid, role::oid, 'member'))
UNION ALL
SELECT login.rolname, 'database' FROM login
WHERE NOT login.is_let_in
  AND EXISTS (SELECT FROM outbox.schema_usage AS taken
              WHERE is_shared AND schema_name = 'outbox'
                AND taken.role IN (SELECT oid FROM pg_roles)
                AND pg_has_role(login.oid, taken.role::oid, 'member'))
ORDER BY 2 DESC, 1
