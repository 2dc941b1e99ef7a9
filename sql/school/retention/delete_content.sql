-- retention/delete_content
-- Delete what is known of the texts of these batches, whatever became of them.
-- params: batch_ids uuid[]
-- rows: rowcount     index: content_pkey     transaction: the caller's, which holds the batches
DELETE FROM school.content WHERE batch_id = ANY(%(batch_ids)s::uuid[])
