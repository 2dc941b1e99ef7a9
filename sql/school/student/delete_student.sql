-- student/delete_student
-- Delete a student that is locked, with its enrolments.
-- params: student_id uuid
-- rows: rowcount     index: student_pkey     transaction: the caller's
DELETE FROM school.student WHERE student_id = %(student_id)s::uuid
