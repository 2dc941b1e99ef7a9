-- rebase/count_ledgers
-- What rebase did counts as a write to the ledger of dead letters, on which the new positions rest. Once
-- these are in Kafka: before, a ledger that lost writes would seem to have those of the old ones.
-- params: shards smallint[], numbers bigint[]
-- rows: rowcount     transaction: none (autocommit)
UPDATE outbox.dead_letter_shard AS counted SET number = given.number
FROM unnest(%(shards)s::smallint[], %(numbers)s::bigint[]) AS given (shard, number)
WHERE counted.shard = given.shard AND counted.number < given.number
