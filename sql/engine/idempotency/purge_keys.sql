-- idempotency/purge_keys
-- Delete some keys older than `before`, oldest first.
-- params: after timestamptz (where the last call ended), before timestamptz, rows bigint
-- rows: one (how many, where it ended)     index: idempotency_key_created_at_idx
-- transaction: its own
WITH gone AS (
    DELETE FROM outbox.idempotency_key WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM outbox.idempotency_key
        WHERE created_at >= %(after)s::timestamptz AND created_at < %(before)s::timestamptz
        ORDER BY created_at
        LIMIT %(rows)s::bigint))
    RETURNING created_at
)
SELECT count(*), max(created_at) FROM gone
