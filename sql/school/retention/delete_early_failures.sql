-- retention/delete_early_failures
-- Delete these failed files, where they still wait for a batch that is not there.
-- params: batch_ids uuid[], file_upload_ids text[] (pair by pair), before timestamptz
-- rows: rowcount     index: failure_pkey, batch_pkey     transaction: the caller's, which holds the batches
DELETE FROM school.failure
USING unnest(%(batch_ids)s::uuid[], %(file_upload_ids)s::text[]) AS old (batch_id, file_upload_id)
WHERE failure.batch_id = old.batch_id AND failure.file_upload_id = old.file_upload_id
  -- Not a plain condition: the index of what is pending, by batch alone, would be taken.
  AND CASE status WHEN 'pending' THEN arrived_at < %(before)s::timestamptz ELSE false END
  AND NOT EXISTS (SELECT FROM school.batch WHERE batch.batch_id = failure.batch_id)
