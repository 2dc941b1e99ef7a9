-- doctor/list_holds
-- What shards wait for, as their workers wrote it: shard, the event by its id, topic and key, the
-- reason, since when in seconds, and what its worker says that mends it. Topic and key are NULL
-- where the event is gone, the hint where the worker is of an older version.
-- params: none
-- rows: many (at most 16)     transaction: any
SELECT hold.shard::integer, hold.id, event.event_id::text, event.topic, event.key, hold.reason,
       extract(epoch FROM clock_timestamp() - hold.since)::float8,
       shard_state.hint
FROM outbox.hold LEFT JOIN outbox.event ON event.id = hold.id
     LEFT JOIN outbox.shard_state ON shard_state.shard = hold.shard AND shard_state.id = hold.id
ORDER BY hold.since
