-- mirror/write_positions
-- Keep the positions of some shards; one that is older than what stands there
-- (a worker that lost the shard and does not know it yet) changes nothing.
-- params: shards smallint[], group_name text, batches bigint[], positions text[],
--         seen pg_snapshot[], upper pg_snapshot[], cursors bigint[], floors bigint[], worker text
-- rows: rowcount     transaction: any
INSERT INTO outbox.position AS kept
    (shard, group_name, batch, position, seen, upper, cursor, floor, worker)
SELECT shard, %(group_name)s::text, batch, position, seen, upper, cursor, floor, %(worker)s::text
FROM unnest(%(shards)s::smallint[], %(batches)s::bigint[], %(positions)s::text[],
            %(seen)s::text[]::pg_snapshot[], %(upper)s::text[]::pg_snapshot[],
            %(cursors)s::bigint[], %(floors)s::bigint[])
     AS given (shard, batch, position, seen, upper, cursor, floor)
ON CONFLICT (shard) DO UPDATE SET
    group_name = excluded.group_name, batch = excluded.batch, position = excluded.position,
    seen = excluded.seen, upper = excluded.upper, cursor = excluded.cursor,
    floor = excluded.floor, worker = excluded.worker, updated_at = clock_timestamp()
WHERE kept.batch < excluded.batch
