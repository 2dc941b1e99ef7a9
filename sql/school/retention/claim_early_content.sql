-- retention/claim_early_content
-- Some texts that came before `before` for a batch that is not there, oldest first.
-- `held` says that nobody registers the batch or works on it until the transaction ends;
-- only then may they be deleted, by a statement that looks again.
-- params: after timestamptz (where the last claim ended), before timestamptz, rows bigint
-- rows: many     index: content_waiting_idx, batch_pkey     transaction: the caller's
WITH old AS MATERIALIZED (
    SELECT batch_id, text_storage_id, arrived_at FROM school.content
    WHERE status = 'pending'
      AND arrived_at >= %(after)s::timestamptz AND arrived_at < %(before)s::timestamptz
      AND NOT EXISTS (SELECT FROM school.batch WHERE batch.batch_id = content.batch_id)
    ORDER BY arrived_at
    LIMIT %(rows)s::bigint
), each AS MATERIALIZED (
    SELECT DISTINCT batch_id FROM old
), locked AS MATERIALIZED (
    SELECT batch_id,
           pg_try_advisory_xact_lock(hashtextextended('batch ' || batch_id::text, 0)) AS held
    FROM each
)
SELECT old.batch_id, old.text_storage_id, old.arrived_at, locked.held
FROM old JOIN locked USING (batch_id)
ORDER BY old.arrived_at
