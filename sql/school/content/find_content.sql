-- content/find_content
-- What became of a text that was offered before.
-- params: batch_id uuid, text_storage_id text
-- rows: maybe     index: content_pkey     transaction: any
SELECT status, essay_id FROM school.content
WHERE batch_id = %(batch_id)s::uuid AND text_storage_id = %(text_storage_id)s::text
