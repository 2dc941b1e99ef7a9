-- association/erase_student
-- Remove from the owner's batches what names a student: the name beside a decision, and the
-- reasons of a suggestion, which are free text. The decision stays, with the student's id.
-- params: student_id uuid, owner text
-- rows: rowcount (essays that name the student by its id, also those that were erased before)
-- index: batch_owner_idx, association_pkey     transaction: the caller's, which holds open batches
UPDATE school.association
SET student_name = CASE WHEN student_id = %(student_id)s::uuid THEN NULL ELSE student_name END,
    match_reasons = CASE WHEN suggested_student_id = %(student_id)s::uuid THEN NULL
                         ELSE match_reasons END
FROM school.batch
WHERE batch.owner = %(owner)s::text AND association.batch_id = batch.batch_id
  AND %(student_id)s::uuid IN (association.student_id, association.suggested_student_id)
