-- retention/delete_failures
-- Delete the failed files of these batches, whatever became of them.
-- params: batch_ids uuid[]
-- rows: rowcount     index: failure_pkey     transaction: the caller's, which holds the batches
DELETE FROM school.failure WHERE batch_id = ANY(%(batch_ids)s::uuid[])
