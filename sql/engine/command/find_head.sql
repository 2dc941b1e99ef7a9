-- command/find_head
-- The queued command of a key with the lowest number, and how many entries of the index were
-- read to find it: those of finished commands stay until vacuum can take them away.
-- params: key text
-- rows: one     index: command_queued_idx     transaction: none (autocommit)
SELECT (SELECT seq FROM outbox.command
        WHERE status = 'queued' AND key = %(key)s::text
        ORDER BY key, seq LIMIT 1) AS seq,
       pg_stat_get_xact_tuples_returned('outbox.command_queued_idx'::regclass) - before.read
           AS walked,
       pg_postmaster_start_time() AS server
FROM (SELECT pg_stat_get_xact_tuples_returned('outbox.command_queued_idx'::regclass) AS read)
     AS before
