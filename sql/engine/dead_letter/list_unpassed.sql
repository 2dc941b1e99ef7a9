-- dead_letter/list_unpassed
-- Events in the ledger that positions may not have passed yet, whatever became of them: not seen
-- by the snapshot of their shard.
-- params: shards smallint[], seen pg_snapshot[] (one for each of the shards)
-- rows: many (id, xid, shard)     transaction: any
SELECT letter.id, letter.xid::text::bigint, letter.shard
FROM unnest(%(shards)s::smallint[], %(seen)s::text[]::pg_snapshot[]) AS place (shard, seen)
CROSS JOIN LATERAL (
    SELECT id, xid, e.shard FROM outbox.dead_letter_event AS e
    WHERE e.shard = place.shard AND e.xid >= pg_snapshot_xmax(place.seen)
    UNION ALL
    SELECT id, xid, e.shard FROM outbox.dead_letter_event AS e
    WHERE e.shard = place.shard AND e.xid = ANY(ARRAY(SELECT pg_snapshot_xip(place.seen)))
) AS letter
