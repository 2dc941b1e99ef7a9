-- ledger/list_orders
-- Of one request, what people asked for and what came of it.
-- params: request bigint
-- rows: many     transaction: any
SELECT request, action, shard::integer, topic, key, event, to_topic, rate, ordered_by, ordered_at,
       state, events, outcome, ended_at
FROM outbox.dead_letter_order
WHERE request = %(request)s::bigint
ORDER BY id
