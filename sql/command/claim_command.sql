-- command/claim_command
-- Lock the first command that can run, going once around the keys from the one after
-- `after`: the head of a key is its queued command with the lowest seq. Passed over:
-- heads that wait for a retry or that others have locked, and keys of which another
-- command still runs (one that was inserted earlier may be committed later). A running
-- command counts as queued for everybody else, so none behind it is a head. Of such a key
-- the head stays locked until the transaction ends, and no other key's. Lazy: it costs as
-- many look-ups as heads are passed over, whatever else is queued.
-- params: after text
-- rows: maybe     index: command_queued_idx, command_pkey     transaction: the caller's
WITH RECURSIVE ahead AS (
    (SELECT command_id, key FROM outbox.command
     WHERE status = 'queued' AND key > %(after)s::text
     ORDER BY key, seq LIMIT 1)
    UNION ALL
    SELECT next.* FROM ahead CROSS JOIN LATERAL (
        SELECT command_id, key FROM outbox.command
        WHERE status = 'queued' AND command.key > ahead.key
        ORDER BY key, seq LIMIT 1) AS next
), behind AS (
    (SELECT command_id, key FROM outbox.command
     WHERE status = 'queued' AND key <= %(after)s::text
     ORDER BY key, seq LIMIT 1)
    UNION ALL
    SELECT next.* FROM behind CROSS JOIN LATERAL (
        SELECT command_id, key FROM outbox.command
        WHERE status = 'queued' AND command.key > behind.key AND command.key <= %(after)s::text
        ORDER BY key, seq LIMIT 1) AS next
)
SELECT claimed.* FROM (
    SELECT command_id FROM ahead UNION ALL SELECT command_id FROM behind
) AS head CROSS JOIN LATERAL (
    SELECT * FROM (
        -- Looked at again once it is locked: meanwhile it may be finished or postponed.
        SELECT command_id, type, key, actor, payload::text, correlation_id, failures, submitted_at
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
LIMIT 1
