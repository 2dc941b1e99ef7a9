-- retention/delete_slots
-- Delete the slots of these batches.
-- params: batch_ids uuid[]
-- rows: rowcount     index: slot_pkey     transaction: the caller's, which holds the batches
DELETE FROM school.slot WHERE batch_id = ANY(%(batch_ids)s::uuid[])
