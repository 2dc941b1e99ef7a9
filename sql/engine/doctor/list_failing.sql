-- doctor/list_failing
-- By type: queued commands that have failed or wait for a retry, how often one failed at most, and how
-- many were set aside since `since`, with an example of each.
-- params: since timestamptz
-- rows: many     transaction: any
SELECT type, count(*) FILTER (WHERE status = 'queued'), coalesce(max(failures), 0)::integer,
       count(*) FILTER (WHERE status = 'rejected'),
       coalesce(min(command_id::text) FILTER (WHERE status = 'queued'), ''),
       coalesce(min(command_id::text) FILTER (WHERE status = 'rejected'), '')
FROM (
    SELECT type, status, failures, command_id FROM outbox.command
    WHERE status = 'queued' AND (failures > 0 OR retry_at > clock_timestamp())
    UNION ALL
    SELECT type, status, failures, command_id FROM outbox.command
    WHERE finished_at >= %(since)s::timestamptz AND status = 'rejected'
      AND error ->> 'code' = 'INTERNAL_ERROR'
) AS failing
GROUP BY type ORDER BY type
