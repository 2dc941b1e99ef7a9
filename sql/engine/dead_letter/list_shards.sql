-- dead_letter/list_shards
-- The epochs of some shards, which a write to their ledger has to name, and how often it was written.
-- params: shards smallint[]
-- rows: many (shard, epoch, number)     transaction: any
SELECT shard, epoch, number FROM outbox.dead_letter_shard WHERE shard = ANY(%(shards)s::smallint[])
