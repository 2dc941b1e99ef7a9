-- failure/find_failure
-- Whether a failed file that was reported before used up a slot.
-- params: batch_id uuid, file_upload_id text
-- rows: maybe     index: failure_pkey     transaction: any
SELECT status, essay_id FROM school.failure
WHERE batch_id = %(batch_id)s::uuid AND file_upload_id = %(file_upload_id)s::text
