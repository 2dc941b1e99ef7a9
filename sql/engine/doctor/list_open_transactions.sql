-- doctor/list_open_transactions
-- Transactions of the whole server that have drawn an id and have not ended, oldest first, without
-- prepared ones: process, login, application, state, since when in seconds (NULL where we may not see
-- that), for how long at least by the events that later ones wrote, and which shards keep it in mind.
-- A state is NULL where we may not see it. Sessions show the lower half of an id: the whole one is the
-- nearest to those that are drawn now.
-- params: none
-- rows: many     transaction: any
SELECT pid, usename::text, application_name, state,
       extract(epoch FROM clock_timestamp() - xact_start)::float8,
       (SELECT extract(epoch FROM clock_timestamp() - created_at)::float8 FROM outbox.event
        WHERE event.xid > begun.xid ORDER BY event.xid LIMIT 1),
       ARRAY(SELECT shard::integer FROM outbox.position
             WHERE begun.xid = ANY (ARRAY(SELECT pg_snapshot_xip(seen))) ORDER BY shard)
FROM (SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint + 2147483648) AS bound (highest)
CROSS JOIN pg_stat_activity
CROSS JOIN LATERAL (
    SELECT (highest - ((highest - backend_xid::text::bigint) & 4294967295))::text::xid8
) AS begun (xid)
WHERE backend_xid IS NOT NULL
ORDER BY begun.xid
