-- content/settle_early
-- What became of early texts that are held: assigned to an essay, or excess where it is NULL.
-- params: batch_id uuid, text_storage_ids text[], essay_ids uuid[]
-- rows: rowcount     index: content_pkey     transaction: the caller's
UPDATE school.content
SET status = CASE WHEN given.essay_id IS NULL THEN 'excess' ELSE 'assigned' END,
    essay_id = given.essay_id
FROM unnest(%(text_storage_ids)s::text[], %(essay_ids)s::uuid[])
     AS given (text_storage_id, essay_id)
WHERE content.batch_id = %(batch_id)s::uuid
  AND content.text_storage_id = given.text_storage_id
