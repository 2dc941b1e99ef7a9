-- school_class/update_class
-- Name and course of a class that is locked. The schema refuses a course that does
-- not exist (class_course_is_known).
-- params: class_id uuid, name text, course_code text
-- rows: rowcount     index: class_pkey     transaction: the caller's
UPDATE school.class
SET name = %(name)s::text, course_code = %(course_code)s::text, updated_at = clock_timestamp()
WHERE class_id = %(class_id)s::uuid
