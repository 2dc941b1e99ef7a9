-- student/update_student
-- Names and e-mail address of a student that is locked. The schema refuses an address
-- that another student of the owner has (student_email_is_unique_per_owner).
-- params: student_id uuid, first_name text, last_name text, legal_full_name text, email text,
--         email_key text
-- rows: rowcount     index: student_pkey     transaction: the caller's
UPDATE school.student
SET first_name = %(first_name)s::text, last_name = %(last_name)s::text,
    legal_full_name = %(legal_full_name)s::text, email = %(email)s::text,
    email_key = %(email_key)s::text, updated_at = clock_timestamp()
WHERE student_id = %(student_id)s::uuid
