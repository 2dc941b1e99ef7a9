-- dead_letter/list_redriving
-- Those of some shards that have a redrive of which the ledger does not say how it ended.
-- params: shards smallint[]
-- rows: many (shard)     transaction: any
SELECT DISTINCT shard FROM outbox.dead_letter_event
WHERE shard = ANY(%(shards)s::smallint[]) AND state = 'redriving'
