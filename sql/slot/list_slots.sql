-- slot/list_slots
-- The slots of a batch of this owner in their order, and what is in them.
-- params: batch_id uuid, owner text
-- rows: many     index: batch_pkey, slot_pkey     transaction: any
SELECT position, essay_id, status, text_storage_id, file_upload_id, original_file_name,
       validation_error_code, association_status, student_id, student_name, method, taken_at
FROM domain.slot
WHERE batch_id = %(batch_id)s::uuid AND user_id = %(owner)s::text
ORDER BY position
