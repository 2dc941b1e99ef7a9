-- school_class/insert_class
-- A new class. The schema refuses a taken id (class_pkey) and a course that does not
-- exist (class_course_is_known).
-- params: class_id uuid, owner text, name text, course_code text
-- rows: rowcount     transaction: the caller's
INSERT INTO school.class (class_id, owner, name, course_code)
VALUES (%(class_id)s::uuid, %(owner)s::text, %(name)s::text, %(course_code)s::text)
