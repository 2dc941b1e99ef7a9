-- lag/list_lag
-- By shard what is not published yet as far as the mirror knows, and what its worker says of it, a
-- second late.
-- params: none
-- rows: many (16)     index: event_xid_shard_idx     transaction: any
SELECT lag.shard, lag.events, lag.seconds, lag.position_time, lag.worker, position.group_name,
       extract(epoch FROM clock_timestamp() - lag.position_time)::float8,
       lag.state, lag.reason, lag.hint, lag.event::text, lag.topic,
       extract(epoch FROM clock_timestamp() - lag.since)::float8
FROM outbox.lag LEFT JOIN outbox.position USING (shard) ORDER BY lag.shard
