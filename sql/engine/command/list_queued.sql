-- command/list_queued
-- By type: how many commands are queued, how many of them wait for a retry, and the
-- age in seconds of the oldest. Reads every queued command.
-- params: none
-- rows: many     index: command_queued_idx     transaction: any
SELECT type, count(*), count(*) FILTER (WHERE retry_at > clock_timestamp()),
       extract(epoch FROM clock_timestamp() - min(submitted_at))::float8
FROM outbox.command WHERE status = 'queued'
GROUP BY type ORDER BY type
