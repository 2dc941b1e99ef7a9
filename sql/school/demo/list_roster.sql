-- demo/list_roster
-- Who is in a class, read through the view that is there for every SQL client.
-- params: class_id uuid
-- rows: many     transaction: any
SELECT student_id, last_name, first_name, email
FROM domain.roster WHERE class_id = %(class_id)s::uuid
ORDER BY last_name, first_name, student_id
