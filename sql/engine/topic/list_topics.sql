-- topic/list_topics
-- The topics that workers have written to, and when each was made again last.
-- params: none
-- rows: many     transaction: any
SELECT topic, topic_id, made_again_at FROM outbox.topic ORDER BY topic
