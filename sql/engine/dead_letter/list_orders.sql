-- dead_letter/list_orders
-- What people asked for and is not done, of some shards, the oldest first; of an order to park one
-- event also whether the ledger has it.
-- params: shards smallint[], most bigint
-- rows: many     transaction: any
SELECT id, xid::text::bigint, action, shard, topic, key, event, event_xid::text::bigint, to_topic, rate, reason, ordered_by,
       EXISTS (SELECT FROM outbox.dead_letter_event AS letter WHERE letter.id = o.event)
FROM outbox.dead_letter_order AS o
WHERE state = 'open' AND (shard IS NULL OR shard = ANY(%(shards)s::smallint[]))
ORDER BY id
LIMIT %(most)s::bigint
