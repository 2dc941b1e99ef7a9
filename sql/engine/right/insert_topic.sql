-- right/insert_topic
-- Let a role write to the topics that fit a pattern; a known one changes nothing.
-- params: role text (a role's name), topic text
-- rows: rowcount     transaction: any
INSERT INTO outbox.topic_right (role, topic)
SELECT oid::regrole, %(topic)s::text FROM pg_roles WHERE rolname = %(role)s::text
ON CONFLICT DO NOTHING
