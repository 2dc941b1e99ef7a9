-- school_class/lock_class
-- A class of this owner, held against other changes, but not against enrolments.
-- params: class_id uuid, owner text
-- rows: maybe     index: class_pkey     transaction: the caller's
SELECT name, course_code FROM school.class
WHERE class_id = %(class_id)s::uuid AND owner = %(owner)s::text
FOR NO KEY UPDATE
