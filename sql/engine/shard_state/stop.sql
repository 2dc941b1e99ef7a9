-- shard_state/stop
-- The worker stops: its shards have none until another one says that it has them.
-- params: worker text
-- rows: rowcount     transaction: any
UPDATE outbox.shard_state SET
    state = 'no_worker', id = NULL, event_id = NULL, topic = NULL, hint = NULL,
    reason = 'its worker stopped, and no other has taken it over',
    since = clock_timestamp(), seen_at = clock_timestamp()
WHERE worker = %(worker)s::text AND state <> 'no_worker'
