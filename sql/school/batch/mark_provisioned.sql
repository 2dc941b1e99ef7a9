-- batch/mark_provisioned
-- The content of a batch is complete: once, and only where no slot is free. A GUEST batch is
-- completed with that, and the tally of batches follows in the same statement.
-- params: batch_id uuid, now timestamptz
-- rows: maybe (none: a slot is free, or it was marked before)
-- index: batch_pkey, slot_free_idx     transaction: the caller's
WITH provisioned AS (
    UPDATE school.batch
    SET provisioned_at = %(now)s::timestamptz,
        completed_at = CASE WHEN class_type = 'GUEST' THEN %(now)s::timestamptz END
    WHERE batch_id = %(batch_id)s::uuid AND provisioned_at IS NULL
      AND NOT EXISTS (SELECT FROM school.slot
                      WHERE slot.batch_id = %(batch_id)s::uuid AND status = 'free')
    RETURNING owner, course_code, class_type, class_id, expected_count, correlation_id
), told AS (
    INSERT INTO school.batch_tally (class_type, active, completed)
    SELECT class_type, -1, 1 FROM provisioned WHERE class_type = 'GUEST'
)
SELECT owner, course_code, class_type, class_id, expected_count, correlation_id
FROM provisioned
