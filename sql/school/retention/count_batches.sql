-- retention/count_batches
-- How many batches of a class type completed before `before`.
-- params: class_type text, before timestamptz
-- rows: one     index: batch_completed_idx     transaction: any
SELECT count(*) FROM school.batch
WHERE class_type = %(class_type)s::text AND completed_at < %(before)s::timestamptz
