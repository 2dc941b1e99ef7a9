-- student/list_students
-- Students of an owner, newest first, after the place (created_at, student_id) where
-- the page before ended; from the newest on where the place is NULL.
-- params: owner text, created_at timestamptz, student_id uuid, rows bigint
-- rows: many     index: student_owner_idx     transaction: any
SELECT student_id, user_id, first_name, last_name, legal_full_name, email, class_ids,
       created_at, updated_at
FROM domain.student
WHERE user_id = %(owner)s::text
  AND (created_at, student_id) < (coalesce(%(created_at)s::timestamptz, 'infinity'),
                                  coalesce(%(student_id)s::uuid,
                                           'ffffffff-ffff-ffff-ffff-ffffffffffff'))
ORDER BY created_at DESC, student_id DESC
LIMIT %(rows)s::bigint
