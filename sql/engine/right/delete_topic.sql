-- right/delete_topic
-- Take back what insert_topic gave.
-- params: role text (a role's name, or the number of one that was dropped), topic text
-- rows: rowcount     transaction: any
DELETE FROM outbox.topic_right
WHERE coalesce((SELECT rolname FROM pg_roles WHERE oid = role), role::text) = %(role)s::text
  AND topic = %(topic)s::text
