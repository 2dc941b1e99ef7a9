-- retention/count_parts
-- How many slots, texts, failures and associations belong to the batches of a class type
-- that completed before `before`.
-- params: class_type text, before timestamptz
-- rows: one     index: batch_completed_idx, slot_pkey, content_pkey, failure_pkey, association_pkey
-- transaction: any
WITH old AS MATERIALIZED (
    SELECT batch_id FROM school.batch
    WHERE class_type = %(class_type)s::text AND completed_at < %(before)s::timestamptz
)
SELECT (SELECT count(*) FROM old JOIN school.slot USING (batch_id)),
       (SELECT count(*) FROM old JOIN school.content USING (batch_id)),
       (SELECT count(*) FROM old JOIN school.failure USING (batch_id)),
       (SELECT count(*) FROM old JOIN school.association USING (batch_id))
