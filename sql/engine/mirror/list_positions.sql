-- mirror/list_positions
-- Every shard's position as it was last written; it may be a second old.
-- params: none
-- rows: many (at most 16)     transaction: any
SELECT shard, group_name, batch, position, worker, updated_at
FROM outbox.position ORDER BY shard
