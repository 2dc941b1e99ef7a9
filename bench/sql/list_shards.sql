-- bench/list_shards
-- The shard of every key.
-- rows: many
SELECT DISTINCT key, shard FROM outbox.event
