-- failure/settle_early
-- What became of early failures that are held: each used up an essay, or is excess where it
-- is NULL.
-- params: batch_id uuid, file_upload_ids text[], essay_ids uuid[]
-- rows: rowcount     index: failure_pkey     transaction: the caller's
UPDATE school.failure
SET status = CASE WHEN given.essay_id IS NULL THEN 'excess' ELSE 'failed' END,
    essay_id = given.essay_id
FROM unnest(%(file_upload_ids)s::text[], %(essay_ids)s::uuid[]) AS given (file_upload_id, essay_id)
WHERE failure.batch_id = %(batch_id)s::uuid AND failure.file_upload_id = given.file_upload_id
