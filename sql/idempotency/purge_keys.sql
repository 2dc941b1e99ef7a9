-- idempotency/purge_keys
-- Delete some keys older than `before`.
-- params: before timestamptz, rows bigint
-- rows: rowcount     index: idempotency_key_created_at_idx     transaction: its own
DELETE FROM outbox.idempotency_key WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM outbox.idempotency_key
    WHERE created_at < %(before)s::timestamptz LIMIT %(rows)s::bigint))
