-- slot/list_taken
-- The taken slots of a batch in their order: each with its text, or with why its file failed.
-- params: batch_id uuid
-- rows: many     index: slot_pkey, content_pkey, failure_pkey     transaction: the caller's
SELECT slot.essay_id, slot.file_upload_id, slot.text_storage_id,
       coalesce(content.original_file_name, failure.original_file_name),
       failure.code, failure.detail
FROM school.slot
LEFT JOIN school.content
    ON content.batch_id = slot.batch_id AND content.text_storage_id = slot.text_storage_id
LEFT JOIN school.failure
    ON failure.batch_id = slot.batch_id AND failure.file_upload_id = slot.file_upload_id
   AND slot.status = 'failed'
WHERE slot.batch_id = %(batch_id)s::uuid AND slot.status <> 'free'
ORDER BY slot.position
