-- student/insert_student
-- A new student. The schema refuses a taken id (student_pkey) and an e-mail address
-- that another student of the owner has (student_email_is_unique_per_owner): it waits
-- for a transaction that writes the same one.
-- params: student_id uuid, owner text, first_name text, last_name text, legal_full_name text,
--         email text, email_key text
-- rows: rowcount     transaction: the caller's
INSERT INTO school.student (student_id, owner, first_name, last_name, legal_full_name, email,
                            email_key)
VALUES (%(student_id)s::uuid, %(owner)s::text, %(first_name)s::text, %(last_name)s::text,
        %(legal_full_name)s::text, %(email)s::text, %(email_key)s::text)
