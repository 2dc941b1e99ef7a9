-- hold/write_holds
-- What the shards of a worker wait for; one that waits for nothing has no row.
-- params: shards smallint[], ids bigint[], reasons text[] (NULL where the shard does not wait)
-- rows: rowcount     transaction: any
WITH given AS (
    SELECT shard, id, reason
    FROM unnest(%(shards)s::smallint[], %(ids)s::bigint[], %(reasons)s::text[])
         AS given (shard, id, reason)
), gone AS (
    DELETE FROM outbox.hold WHERE shard IN (SELECT shard FROM given WHERE id IS NULL)
)
INSERT INTO outbox.hold AS kept (shard, id, reason)
SELECT shard, id, reason FROM given WHERE id IS NOT NULL
ON CONFLICT (shard) DO UPDATE SET
    id = excluded.id, reason = excluded.reason,
    since = CASE WHEN kept.id = excluded.id THEN kept.since ELSE excluded.since END
