-- association/lock_batch
-- A batch, held against whoever else suggests, confirms, decides or completes: what is
-- read after it stays so. It waits for them, but neither slots nor readers wait for it. The isolation level of
-- the transaction comes with it: only READ COMMITTED sees what those wrote who were waited for.
-- params: batch_id uuid
-- rows: maybe     index: batch_pkey     transaction: the caller's
SELECT batch.owner, batch.class_type, batch.class_id, batch.course_code, course.language,
       batch.student_prompt_ref, batch.correlation_id, batch.provisioned_at, batch.completed_at,
       current_setting('transaction_isolation')
FROM school.batch JOIN school.course ON course.code = batch.course_code
WHERE batch.batch_id = %(batch_id)s::uuid
FOR NO KEY UPDATE OF batch
