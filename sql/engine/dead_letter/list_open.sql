-- dead_letter/list_open
-- Which of these sequences are open still, each with the id of its first event.
-- params: shards smallint[], topics text[], keys text[]
-- rows: many (topic, key, id)     transaction: any
SELECT given.topic, given.key, first.id
FROM unnest(%(shards)s::smallint[], %(topics)s::text[], %(keys)s::text[])
     AS given (shard, topic, key)
CROSS JOIN LATERAL (
    SELECT id FROM outbox.dead_letter_event AS e
    WHERE e.shard = given.shard AND e.topic = given.topic AND e.key = given.key
      AND state IN ('parked', 'redriving')
    ORDER BY id LIMIT 1
) AS first
