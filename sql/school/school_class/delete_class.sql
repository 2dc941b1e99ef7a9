-- school_class/delete_class
-- Delete a class that is locked, with its enrolments, unless a batch of it is open.
-- params: class_id uuid
-- rows: rowcount (0: in use)     index: class_pkey, batch_open_class_idx     transaction: the caller's
DELETE FROM school.class
WHERE class_id = %(class_id)s::uuid
  AND NOT EXISTS (SELECT FROM school.batch
                  WHERE batch.class_id = %(class_id)s::uuid AND completed_at IS NULL)
