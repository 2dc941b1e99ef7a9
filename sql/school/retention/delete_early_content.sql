-- retention/delete_early_content
-- Delete these texts, where they still wait for a batch that is not there.
-- params: batch_ids uuid[], text_storage_ids text[] (pair by pair), before timestamptz
-- rows: rowcount     index: content_pkey, batch_pkey     transaction: the caller's, which holds the batches
DELETE FROM school.content
USING unnest(%(batch_ids)s::uuid[], %(text_storage_ids)s::text[]) AS old (batch_id, text_storage_id)
WHERE content.batch_id = old.batch_id AND content.text_storage_id = old.text_storage_id
  -- Not a plain condition: the index of what is pending, by batch alone, would be taken.
  AND CASE status WHEN 'pending' THEN arrived_at < %(before)s::timestamptz ELSE false END
  AND NOT EXISTS (SELECT FROM school.batch WHERE batch.batch_id = content.batch_id)
