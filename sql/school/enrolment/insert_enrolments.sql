-- enrolment/insert_enrolments
-- Enrol a student in these classes; those it is in already are not returned.
-- params: student_id uuid, class_ids uuid[]
-- rows: many     transaction: the caller's
INSERT INTO school.enrolment (class_id, student_id)
SELECT class_id, %(student_id)s::uuid FROM unnest(%(class_ids)s::uuid[]) AS given (class_id)
ON CONFLICT ON CONSTRAINT enrolment_pkey DO NOTHING
RETURNING class_id
