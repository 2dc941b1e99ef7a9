-- mirror/write_positions
-- Keep the positions of some shards; one that is older than what stands there
-- (a worker that lost the shard and does not know it yet) changes nothing, nor does
-- one whose witness is neither in the table nor in the ledger of dead letters: after a fail-over that lost it, the position
-- would show purge new rows as published. Nor does one that rests on writes which the ledger of
-- dead letters has lost: it would show events as published that were parked.
-- params: shards smallint[], group_name text, batches bigint[], positions text[],
--         seen pg_snapshot[], upper pg_snapshot[], cursors bigint[], floors bigint[], worker text,
--         witness_ids bigint[], witness_xids bigint[] (NULL where nothing was published yet),
--         ledgers bigint[]
-- rows: rowcount     transaction: any
INSERT INTO outbox.position AS kept
    (shard, group_name, batch, position, seen, upper, cursor, floor, worker)
SELECT shard, %(group_name)s::text, batch, position, seen, upper, cursor, floor, %(worker)s::text
FROM unnest(%(shards)s::smallint[], %(batches)s::bigint[], %(positions)s::text[],
            %(seen)s::text[]::pg_snapshot[], %(upper)s::text[]::pg_snapshot[],
            %(cursors)s::bigint[], %(floors)s::bigint[],
            %(witness_ids)s::bigint[], %(witness_xids)s::bigint[], %(ledgers)s::bigint[])
     AS given (shard, batch, position, seen, upper, cursor, floor, witness_id, witness_xid, ledger)
WHERE (witness_id IS NULL
       OR EXISTS (SELECT FROM outbox.event
                  WHERE id = witness_id AND xid::text::bigint = witness_xid)
       OR EXISTS (SELECT FROM outbox.dead_letter_event
                  WHERE id = witness_id AND xid::text::bigint = witness_xid)
       OR EXISTS (SELECT FROM outbox.purged WHERE id >= witness_id))
  AND NOT EXISTS (SELECT FROM outbox.dead_letter_shard AS counted
                  WHERE counted.shard = given.shard AND counted.number < given.ledger)
ON CONFLICT (shard) DO UPDATE SET
    group_name = excluded.group_name, batch = excluded.batch, position = excluded.position,
    seen = excluded.seen, upper = excluded.upper, cursor = excluded.cursor,
    floor = excluded.floor, worker = excluded.worker, updated_at = clock_timestamp()
WHERE kept.batch < excluded.batch
