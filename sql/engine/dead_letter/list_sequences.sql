-- dead_letter/list_sequences
-- The sequences of some shards that are open: topics and keys with events that are parked.
-- params: shards smallint[]
-- rows: many (shard, topic, key)     transaction: any
SELECT DISTINCT shard, topic, key FROM outbox.dead_letter_event
WHERE shard = ANY(%(shards)s::smallint[]) AND state IN ('parked', 'redriving')
  AND key IS NOT NULL
