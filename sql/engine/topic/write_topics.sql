-- topic/write_topics
-- Keep which life of each topic the events go into. An id that differs from the one that
-- stands there is that of a topic that was deleted and made again: about now, as a worker
-- looks at its topics every few seconds.
-- params: topics text[], topic_ids text[]
-- rows: rowcount     transaction: any
INSERT INTO outbox.topic AS kept (topic, topic_id)
SELECT topic, topic_id
FROM unnest(%(topics)s::text[], %(topic_ids)s::text[]) AS given (topic, topic_id)
ON CONFLICT (topic) DO UPDATE SET topic_id = excluded.topic_id, made_again_at = clock_timestamp()
WHERE kept.topic_id <> excluded.topic_id
