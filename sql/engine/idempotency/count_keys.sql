-- idempotency/count_keys
-- How many keys are older than `before`.
-- params: before timestamptz
-- rows: one     index: idempotency_key_created_at_idx     transaction: any
SELECT count(*) FROM outbox.idempotency_key WHERE created_at < %(before)s::timestamptz
