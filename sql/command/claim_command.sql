-- command/claim_command
-- Lock the next command that can run, of the next key behind `after`, once around. The
-- head of a key is its queued command with the lowest seq. Passed over: heads that wait for a
-- retry or that others have locked, and keys of which another command still runs (one that
-- was inserted earlier may be committed later). A running command counts as queued for
-- everybody else, so none behind it is a head. Of such a key the head stays locked until the
-- transaction ends, and no other key's. Lazy: it costs a look-up for each head passed over.
-- Of the key `after` itself the caller may know a window (decision 0010): from `above` up
-- to `upto`, its head is looked for there first, and elsewhere only if nothing is there.
-- params: after text, above bigint, upto bigint
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
     WHERE status = 'queued' AND key < %(after)s::text
     ORDER BY key, seq LIMIT 1)
    UNION ALL
    SELECT next.* FROM behind CROSS JOIN LATERAL (
        SELECT command_id, key FROM outbox.command
        WHERE status = 'queued' AND command.key > behind.key AND command.key < %(after)s::text
        ORDER BY key, seq LIMIT 1) AS next
), known AS (
    SELECT command_id FROM outbox.command
    WHERE status = 'queued' AND key = %(after)s::text
      AND seq > %(above)s::bigint AND seq <= %(upto)s::bigint
    ORDER BY key, seq LIMIT 1
)
SELECT claimed.*, (SELECT last.seq FROM outbox.command AS last
                   WHERE status = 'queued' AND last.key = claimed.key
                   ORDER BY last.key DESC, last.seq DESC LIMIT 1) AS last_seq
FROM (
    SELECT command_id FROM ahead UNION ALL SELECT command_id FROM behind
    UNION ALL SELECT command_id FROM known
    UNION ALL (SELECT command_id FROM outbox.command
               WHERE status = 'queued' AND key = %(after)s::text AND NOT EXISTS (TABLE known)
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
LIMIT 1
