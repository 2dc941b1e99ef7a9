-- dead_letter/list_open
-- Which of these sequences are open still, each with the id of its first event. It is looked for among
-- all keys from that one on: no other index has their order, whatever the planner believes of the ledger.
-- params: shards smallint[], topics text[], keys text[]
-- rows: many (topic, key, id)     index: dead_letter_event_open_idx     transaction: any
SELECT given.topic, given.key, first.id
FROM unnest(%(shards)s::smallint[], %(topics)s::text[], %(keys)s::text[])
     AS given (shard, topic, key)
CROSS JOIN LATERAL (
    SELECT key, id FROM outbox.dead_letter_event AS e
    WHERE e.shard = given.shard AND e.topic = given.topic AND e.key >= given.key
      AND state IN ('parked', 'redriving')
    ORDER BY key, id LIMIT 1
) AS first
WHERE first.key = given.key
