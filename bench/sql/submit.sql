-- bench/submit
-- Ask for a student.
-- params: key text, name text
-- rows: one
SELECT outbox.submit('CreateStudent', %(key)s::text,
                     jsonb_build_object('first_name', 'Student', 'last_name', %(name)s::text),
                     %(key)s::text)
