-- idempotency/count_unowned_keys
-- How many keys from before keys belonged to writers are older than `before`.
-- params: before timestamptz
-- rows: one     index: unowned_idempotency_key_created_at_idx     transaction: any
SELECT count(*) FROM outbox.unowned_idempotency_key WHERE created_at < %(before)s::timestamptz
