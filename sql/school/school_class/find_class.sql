-- school_class/find_class
-- A class of this owner.
-- params: class_id uuid, owner text
-- rows: maybe     index: class_pkey     transaction: any
SELECT class_id, user_id, name, course_code, course_name, course_language, student_count,
       created_at, updated_at
FROM domain.class
WHERE class_id = %(class_id)s::uuid AND user_id = %(owner)s::text
