-- enrolment/delete_enrolments
-- Take a student out of these classes; those it is not in are not returned.
-- params: student_id uuid, class_ids uuid[]
-- rows: many     index: enrolment_student_idx     transaction: the caller's
DELETE FROM school.enrolment
WHERE student_id = %(student_id)s::uuid AND class_id = ANY(%(class_ids)s::uuid[])
RETURNING class_id
