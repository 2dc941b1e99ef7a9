-- slot/list_slots
-- The slots of a batch of this owner in their order, and what is in them. (The batch is found
-- by batch_pkey, or by batch_owner_idx alone where vacuum has been: one row either way.)
-- params: batch_id uuid, owner text
-- rows: many     index: slot_pkey     transaction: any
SELECT position, essay_id, status, text_storage_id, file_upload_id, original_file_name,
       validation_error_code, association_status, student_id, student_name, method, taken_at
FROM domain.slot
WHERE batch_id = %(batch_id)s::uuid AND user_id = %(owner)s::text
ORDER BY position
