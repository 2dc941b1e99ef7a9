-- school_class/list_classes
-- Classes of an owner, newest first, after the place (created_at, class_id) where the
-- page before ended; from the newest on where the place is NULL.
-- params: owner text, created_at timestamptz, class_id uuid, rows bigint
-- rows: many     index: class_owner_idx     transaction: any
SELECT class_id, user_id, name, course_code, course_name, course_language, student_count,
       created_at, updated_at
FROM domain.class
WHERE user_id = %(owner)s::text
  AND (created_at, class_id) < (coalesce(%(created_at)s::timestamptz, 'infinity'),
                                coalesce(%(class_id)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
ORDER BY created_at DESC, class_id DESC
LIMIT %(rows)s::bigint
