-- ledger/list_letters
-- Dead letters in the order of their ids, and how many there are in all; the columns are those of
-- the view outbox.dead_letter.
-- params: states text[], topic text, key text, event_id uuid (NULL: any), most bigint
-- rows: many     transaction: any
SELECT event_id::text, topic, key, type, reason, code, behind::text, parked_at, state, decided_by,
       decided_at, attempts, parked_by, to_topic, shard::integer, id, count(*) OVER ()
FROM outbox.dead_letter
WHERE state = ANY(%(states)s::text[])
  AND (%(topic)s::text IS NULL OR topic = %(topic)s::text)
  AND (%(key)s::text IS NULL OR key = %(key)s::text)
  AND (%(event_id)s::uuid IS NULL OR event_id = %(event_id)s::uuid)
ORDER BY id
LIMIT %(most)s::bigint
