-- dead_letter/raise_epochs
-- Take the ledger of some shards over: whoever wrote to it writes nothing more. A write that is
-- under way is waited for, so that a later look sees it.
-- params: shards smallint[]
-- rows: many (shard, epoch, number)     transaction: none (autocommit)
UPDATE outbox.dead_letter_shard AS s SET epoch = s.epoch + 1
FROM (SELECT shard FROM outbox.dead_letter_shard
      WHERE shard = ANY(%(shards)s::smallint[]) ORDER BY shard FOR UPDATE) AS taken
WHERE s.shard = taken.shard
RETURNING s.shard, s.epoch, s.number
