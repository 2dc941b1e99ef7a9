-- doctor/list_holds
-- What shards wait for, as their workers wrote it: shard, the event by its id, topic and key, the
-- reason, since when in seconds, and what its worker says that mends it. Topic and key are NULL
-- where the event is gone.
-- params: none
-- rows: many (at most 16)     transaction: any
SELECT kept.shard::integer, kept.id, event.event_id::text, event.topic, event.key, kept.reason,
       extract(epoch FROM clock_timestamp() - kept.since)::float8,
       kept.hint
FROM outbox.shard_state AS kept LEFT JOIN outbox.event ON event.id = kept.id
WHERE kept.state = 'held'
ORDER BY kept.since
