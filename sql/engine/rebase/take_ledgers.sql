-- rebase/take_ledgers
-- Take the ledger of dead letters over from all workers: one that was frozen writes nothing more. In a
-- shard with dead letters it counts as a write, on which the new position rests.
-- params: none
-- rows: many (shard, number; 0 where nothing was ever parked)     transaction: the caller's
UPDATE outbox.dead_letter_shard
SET epoch = epoch + 1, number = CASE WHEN number > 0 THEN number + 1 ELSE 0 END
RETURNING shard::integer, number
