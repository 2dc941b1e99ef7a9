-- ledger/list_orders
-- Of one request, or of all that concern an event, what people asked for and what came of it.
-- params: request bigint, id bigint (of the event), topic text, key text (NULL: not asked for)
-- rows: many     transaction: any
SELECT request, action, shard::integer, topic, key, event, to_topic, rate, ordered_by, ordered_at,
       state, events, outcome, ended_at
FROM outbox.dead_letter_order
WHERE request = %(request)s::bigint
   OR event = %(id)s::bigint
   OR event IS NULL AND topic = %(topic)s::text AND (key IS NULL OR key = %(key)s::text)
   OR topic IS NULL AND event IS NULL AND %(id)s::bigint IS NOT NULL
ORDER BY id
