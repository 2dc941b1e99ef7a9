-- batch/find_registered
-- A registration as it was made, with its essays in the order of the slots, of any owner:
-- the answer to its own repetition, not for readers.
-- params: batch_id uuid
-- rows: maybe     index: batch_pkey, slot_pkey     transaction: any
SELECT owner, course_code, class_id, org_id, student_prompt_ref, expected_count,
       ARRAY(SELECT essay_id FROM school.slot
             WHERE slot.batch_id = %(batch_id)s::uuid ORDER BY position)
FROM school.batch
WHERE batch_id = %(batch_id)s::uuid
