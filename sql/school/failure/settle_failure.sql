-- failure/settle_failure
-- What became of a failed file that this transaction inserted: it used up an essay, or is
-- excess.
-- params: batch_id uuid, file_upload_id text, essay_id uuid
-- rows: rowcount     index: failure_pkey     transaction: the caller's
UPDATE school.failure
SET status = CASE WHEN %(essay_id)s::uuid IS NULL THEN 'excess' ELSE 'failed' END,
    essay_id = %(essay_id)s::uuid
WHERE batch_id = %(batch_id)s::uuid AND file_upload_id = %(file_upload_id)s::text
