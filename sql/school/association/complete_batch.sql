-- association/complete_batch
-- Complete a locked batch, once: its content is complete and each of its texts has a decided
-- author. The tally of batches follows in the same statement.
-- params: batch_id uuid, now timestamptz
-- rows: rowcount (0: something is left to do, or it was completed before)
-- index: batch_pkey, association_pkey     transaction: the caller's
WITH completed AS (
    UPDATE school.batch SET completed_at = %(now)s::timestamptz
    WHERE batch_id = %(batch_id)s::uuid AND class_type = 'REGULAR'
      AND provisioned_at IS NOT NULL AND completed_at IS NULL
      AND NOT EXISTS (
          SELECT FROM school.slot
          LEFT JOIN school.association
              ON association.batch_id = %(batch_id)s::uuid AND association.essay_id = slot.essay_id
          WHERE slot.batch_id = %(batch_id)s::uuid AND slot.status = 'assigned'
            AND association.method IS NULL)
    RETURNING class_type
)
INSERT INTO school.batch_tally (class_type, active, completed)
SELECT class_type, -1, 1 FROM completed
