-- content/lock_early
-- The texts that came before their batch, in order of arrival, held. Complete only where
-- the arrivals at the batch are held before (batch/lock_registration).
-- params: batch_id uuid
-- rows: many     index: content_pending_idx     transaction: the caller's
SELECT arrival, text_storage_id, file_upload_id, original_file_name, correlation_id
FROM school.content
WHERE batch_id = %(batch_id)s::uuid AND status = 'pending'
ORDER BY arrival
FOR UPDATE
