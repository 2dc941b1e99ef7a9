-- ledger/list_standing
-- Topics whose events are parked as they come, by whom since when, until somebody ends that.
-- params: none
-- rows: many     index: dead_letter_order_open_idx     transaction: any
SELECT topic, ordered_by, ordered_at, events
FROM outbox.dead_letter_order
WHERE state = 'open' AND action = 'park' AND shard IS NULL
ORDER BY topic, id
