-- content/settle_content
-- What became of a text that this transaction inserted: assigned to an essay, or excess.
-- params: batch_id uuid, text_storage_id text, essay_id uuid
-- rows: rowcount     index: content_pkey     transaction: the caller's
UPDATE school.content
SET status = CASE WHEN %(essay_id)s::uuid IS NULL THEN 'excess' ELSE 'assigned' END,
    essay_id = %(essay_id)s::uuid
WHERE batch_id = %(batch_id)s::uuid AND text_storage_id = %(text_storage_id)s::text
