-- retention/delete_slots
-- Delete the slots of these batches. Several indexes begin with the batch; one is walked.
-- params: batch_ids uuid[]
-- rows: rowcount     transaction: the caller's, which holds the batches
DELETE FROM school.slot WHERE batch_id = ANY(%(batch_ids)s::uuid[])
