-- school_class/lock_classes_of_student
-- The classes that a student is enrolled in; none of them is deleted before the
-- transaction ends. Taken before its enrolments are deleted, so that whoever deletes one
-- of the classes, and the same enrolments, waits here and not in the middle.
-- params: student_id uuid
-- rows: many     index: enrolment_student_idx, class_pkey     transaction: the caller's
SELECT class_id FROM school.class
WHERE class_id IN (SELECT class_id FROM school.enrolment
                   WHERE student_id = %(student_id)s::uuid)
ORDER BY class_id
FOR KEY SHARE
