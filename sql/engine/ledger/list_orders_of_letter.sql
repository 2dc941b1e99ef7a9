-- ledger/list_orders_of_letter
-- Of all that concern a dead letter, what people asked for and what came of it: those of its shard,
-- from the one that parked it to the one that decided it.
-- params: id bigint (of the event), shard smallint, topic text, key text (NULL: it has none),
--         parked_at timestamptz, decided_at timestamptz (NULL: it is open)
-- rows: many     transaction: any
SELECT request, action, shard::integer, topic, key, event, to_topic, rate, ordered_by, ordered_at,
       state, events, outcome, ended_at
FROM outbox.dead_letter_order
WHERE (event = %(id)s::bigint
       OR event IS NULL AND (topic IS NULL OR topic = %(topic)s::text)
          AND (key IS NULL OR key = %(key)s::text))
  AND (shard IS NULL OR shard = %(shard)s::smallint)
  AND (ended_at IS NULL OR ended_at >= %(parked_at)s::timestamptz)
  AND (%(decided_at)s::timestamptz IS NULL OR ordered_at <= %(decided_at)s::timestamptz)
ORDER BY id
