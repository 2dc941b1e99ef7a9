-- school_class/list_roster
-- The students of a class of this owner, by last name, first name, id.
-- params: class_id uuid, owner text
-- rows: many     index: class_pkey, enrolment_pkey     transaction: any
SELECT student_id, first_name, last_name, legal_full_name, email, enrolled_at
FROM domain.roster
WHERE class_id = %(class_id)s::uuid AND user_id = %(owner)s::text
ORDER BY last_name, first_name, student_id
