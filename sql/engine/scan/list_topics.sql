-- scan/list_topics
-- The topics that occur in the table. Reads all of it.
-- params: none
-- rows: many     transaction: any
SELECT topic FROM outbox.event GROUP BY topic ORDER BY topic
