-- right/list_rights
-- Every right: the role's name (its number where it was dropped), what it is for, the pattern (of a
-- database its name).
-- params: none
-- rows: many     transaction: any
SELECT coalesce(rolname, role::text) AS role, kind, pattern, actor
FROM (
    SELECT role, 'topic' AS kind, topic AS pattern, NULL AS actor FROM outbox.topic_right
    UNION ALL
    SELECT role, 'command', type, actor FROM outbox.command_right
    UNION ALL
    SELECT role, 'database', current_database(), NULL FROM outbox.database_right
) AS granted
LEFT JOIN pg_roles ON oid = role
ORDER BY 1, kind DESC, pattern, actor
