-- failure/lock_early
-- The files that failed before their batch came, in order of arrival, held. Complete only
-- where the arrivals at the batch are held before (batch/lock_registration).
-- params: batch_id uuid
-- rows: many     index: failure_pending_idx     transaction: the caller's
SELECT arrival, file_upload_id
FROM school.failure
WHERE batch_id = %(batch_id)s::uuid AND status = 'pending'
ORDER BY arrival
FOR UPDATE
