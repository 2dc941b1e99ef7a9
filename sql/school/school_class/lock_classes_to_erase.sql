-- school_class/lock_classes_to_erase
-- The classes that a student is enrolled in, held alone: no batch of them is registered before the
-- transaction ends, so that nobody decides about the student in a batch that it did not lock.
-- params: student_id uuid
-- rows: many     index: enrolment_student_idx, class_pkey     transaction: the caller's
SELECT class_id FROM school.class
WHERE class_id IN (SELECT class_id FROM school.enrolment
                   WHERE student_id = %(student_id)s::uuid)
ORDER BY class_id
FOR UPDATE
