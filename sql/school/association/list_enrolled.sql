-- association/list_enrolled
-- Those of these students that are in the class now, each with its name. Holds nothing:
-- who leaves the class a moment later was in it when this was asked.
-- params: class_id uuid, student_ids uuid[]
-- rows: many     index: student_pkey     transaction: the caller's
SELECT student.student_id, student.legal_full_name
FROM unnest(%(student_ids)s::uuid[]) AS given (student_id)
JOIN school.enrolment
    ON enrolment.class_id = %(class_id)s::uuid AND enrolment.student_id = given.student_id
JOIN school.student ON student.student_id = given.student_id
