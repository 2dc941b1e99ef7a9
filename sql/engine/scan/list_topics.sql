-- scan/list_topics
-- The topics that occur in the table, and those that dead letters were redriven to. Reads all of it.
-- params: none
-- rows: many     transaction: any
SELECT topic FROM outbox.event
UNION
SELECT to_topic FROM outbox.dead_letter_event
WHERE to_topic IS NOT NULL AND state IN ('redriving', 'redriven')
ORDER BY topic
