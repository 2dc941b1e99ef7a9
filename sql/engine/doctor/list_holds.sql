-- doctor/list_holds
-- What shards wait for, as their workers wrote it: shard, the event by its id, topic and key, the
-- reason, and since when in seconds. Topic and key are NULL where the event is gone.
-- params: none
-- rows: many (at most 16)     transaction: any
SELECT hold.shard::integer, hold.id, event.event_id::text, event.topic, event.key, hold.reason,
       extract(epoch FROM clock_timestamp() - hold.since)::float8
FROM outbox.hold LEFT JOIN outbox.event ON event.id = hold.id
ORDER BY hold.since
