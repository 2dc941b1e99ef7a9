-- student/find_student
-- A student of this owner, with the classes it is enrolled in.
-- params: student_id uuid, owner text
-- rows: maybe     index: student_pkey     transaction: any
SELECT student_id, user_id, first_name, last_name, legal_full_name, email, class_ids,
       created_at, updated_at
FROM domain.student
WHERE student_id = %(student_id)s::uuid AND user_id = %(owner)s::text
