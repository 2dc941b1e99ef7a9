-- batch/list_batches
-- Batches of an owner, newest first, after the place (registered_at, batch_id) where the
-- page before ended; from the newest on where the place is NULL.
-- params: owner text, registered_at timestamptz, batch_id uuid, rows bigint
-- rows: many     index: batch_owner_idx     transaction: any
SELECT batch_id, user_id, course_code, class_type, class_id, org_id, student_prompt_ref,
       expected_count, assigned_count, failed_count, status, correlation_id, registered_at,
       provisioned_at, completed_at
FROM domain.batch
WHERE user_id = %(owner)s::text
  AND (registered_at, batch_id) < (coalesce(%(registered_at)s::timestamptz, 'infinity'),
                                   coalesce(%(batch_id)s::uuid,
                                            'ffffffff-ffff-ffff-ffff-ffffffffffff'))
ORDER BY registered_at DESC, batch_id DESC
LIMIT %(rows)s::bigint
