-- student/lock_student
-- A student of this owner, held against other changes.
-- params: student_id uuid, owner text
-- rows: maybe     index: student_pkey     transaction: the caller's
SELECT first_name, last_name, legal_full_name, email FROM school.student
WHERE student_id = %(student_id)s::uuid AND owner = %(owner)s::text
FOR UPDATE
