-- school_class/lock_class_to_delete
-- A class of this owner, held alone: enrolments and registrations that use it have
-- ended, and new ones wait.
-- params: class_id uuid, owner text
-- rows: maybe     index: class_pkey     transaction: the caller's
SELECT name, course_code FROM school.class
WHERE class_id = %(class_id)s::uuid AND owner = %(owner)s::text
FOR UPDATE
