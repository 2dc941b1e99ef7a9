-- command/claim_commands
-- Lock the next commands that can run, at most `most`, of the next keys behind one, once around:
-- of each key its head, the queued command with the lowest seq. Passed over: heads that wait for
-- a retry or that others have locked, and keys of which another command still runs (one that
-- was inserted earlier may be committed later). A running command counts as queued for everybody
-- else, so none behind it is a head. Of such a key the head stays locked until the transaction
-- ends, and no other key's. Lazy: it costs a look-up for each head that comes or is passed over.
-- The way around comes in stretches: the keys between `low` and `high`, or to the end, and then
-- `high` itself, of which nothing is queued up to `floor` on the server that started then
-- (decision 0010). The last columns but one: how many entries of the index the transaction had
-- read when the stretch began, and when the command was found.
-- params: way json, server timestamptz, most bigint
-- rows: many     index: command_queued_idx, command_pkey     transaction: the caller's
SELECT claimed.*,
       (SELECT last.seq FROM outbox.command AS last
        WHERE status = 'queued' AND last.key = claimed.key
        ORDER BY last.key DESC, last.seq DESC LIMIT 1) AS last_seq,
       stretch.read, pg_stat_get_xact_tuples_returned('outbox.command_queued_idx'::regclass),
       pg_postmaster_start_time() AS server
FROM (
    SELECT low, high,
           CASE WHEN pg_postmaster_start_time() = %(server)s::timestamptz
                THEN floor ELSE 0 END AS floor,
           pg_stat_get_xact_tuples_returned('outbox.command_queued_idx'::regclass) AS read
    FROM json_to_recordset(%(way)s::json) AS s (low text, high text, floor bigint)
) AS stretch CROSS JOIN LATERAL (
    WITH RECURSIVE walk AS (
        SELECT NULL::uuid AS command_id, stretch.low COLLATE "C" AS key
        UNION ALL
        SELECT next.* FROM walk CROSS JOIN LATERAL (
            (SELECT command_id, key FROM outbox.command
             WHERE status = 'queued' AND command.key > walk.key AND command.key < stretch.high
             ORDER BY key, seq LIMIT 1)
            UNION ALL
            (SELECT command_id, key FROM outbox.command
             WHERE status = 'queued' AND command.key > walk.key AND stretch.high IS NULL
             ORDER BY key, seq LIMIT 1)
        ) AS next
    )
    SELECT command_id FROM walk WHERE command_id IS NOT NULL
    UNION ALL
    (SELECT command_id FROM outbox.command
     WHERE status = 'queued' AND key = stretch.high AND seq > stretch.floor
     ORDER BY key, seq LIMIT 1)
) AS head CROSS JOIN LATERAL (
    SELECT * FROM (
        -- Looked at again once it is locked: meanwhile it may be finished or postponed.
        SELECT command_id, type, key, actor, payload::text, correlation_id, failures, submitted_at,
               seq
        FROM outbox.command
        WHERE command.command_id = head.command_id AND finished_at IS NULL
          AND (retry_at IS NULL OR retry_at <= clock_timestamp())
        LIMIT 1  -- keeps the planner from asking the next condition before the row is locked
        FOR UPDATE SKIP LOCKED
    ) AS locked
    -- The command first, then its key: a lock of a key that is passed over would keep its
    -- other commands waiting for as long as this transaction lasts.
    WHERE pg_try_advisory_xact_lock(hashtextextended('outbox command ' || key, 0))
) AS claimed
LIMIT %(most)s::bigint
