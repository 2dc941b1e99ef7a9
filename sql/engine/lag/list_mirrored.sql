-- lag/list_mirrored
-- By shard where it stands, without what is not published yet: it looks at no event.
-- params: none
-- rows: many (16)     transaction: any
SELECT shard.shard::smallint, position.updated_at, position.worker, position.group_name,
       extract(epoch FROM clock_timestamp() - position.updated_at)::float8
FROM generate_series(0, outbox.shard_count() - 1) AS shard (shard) LEFT JOIN outbox.position USING (shard)
ORDER BY shard.shard
