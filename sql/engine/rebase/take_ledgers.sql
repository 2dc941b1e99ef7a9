-- rebase/take_ledgers
-- Take the ledger of dead letters over from all workers: one that was frozen writes nothing more.
-- params: none
-- rows: many (shard, number; 0 where nothing was ever parked)     transaction: the caller's
UPDATE outbox.dead_letter_shard SET epoch = epoch + 1 RETURNING shard::integer, number
