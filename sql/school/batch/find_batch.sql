-- batch/find_batch
-- How far a batch of this owner is. Several indexes of the slots begin with the batch; one is
-- walked.
-- params: batch_id uuid, owner text
-- rows: maybe     index: batch_pkey     transaction: any
SELECT batch_id, user_id, course_code, class_type, class_id, org_id, student_prompt_ref,
       expected_count, assigned_count, failed_count, status, correlation_id, registered_at,
       provisioned_at, completed_at
FROM domain.batch
WHERE batch_id = %(batch_id)s::uuid AND user_id = %(owner)s::text
