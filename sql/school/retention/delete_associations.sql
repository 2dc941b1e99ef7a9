-- retention/delete_associations
-- Delete who wrote what in these batches.
-- params: batch_ids uuid[]
-- rows: rowcount     index: association_pkey     transaction: the caller's, which holds the batches
DELETE FROM school.association WHERE batch_id = ANY(%(batch_ids)s::uuid[])
