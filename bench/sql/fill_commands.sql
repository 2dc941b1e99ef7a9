-- bench/fill_commands
-- CreateStudent commands over so many keys, committed with the caller's transaction.
-- params: commands int, keys int
-- rows: rowcount
INSERT INTO outbox.command (type, key, actor, payload)
SELECT 'CreateStudent', 'teacher-' || n %% %(keys)s::int, 'teacher-' || n %% %(keys)s::int,
       jsonb_build_object('first_name', 'Student', 'last_name', n::text,
                          'email', 'student-' || n || '@school.example')
FROM generate_series(1, %(commands)s::int) AS n
