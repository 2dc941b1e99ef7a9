-- idempotency/purge_unowned_keys
-- Delete some keys from before keys belonged to writers, older than `before`, oldest first.
-- params: after timestamptz (where the last call ended), before timestamptz, rows bigint
-- rows: one (how many, where it ended)     index: unowned_idempotency_key_created_at_idx
-- transaction: its own
WITH gone AS (
    DELETE FROM outbox.unowned_idempotency_key WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM outbox.unowned_idempotency_key
        WHERE created_at >= %(after)s::timestamptz AND created_at < %(before)s::timestamptz
        ORDER BY created_at
        LIMIT %(rows)s::bigint))
    RETURNING created_at
)
SELECT count(*), max(created_at) FROM gone
