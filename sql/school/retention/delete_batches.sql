-- retention/delete_batches
-- Delete these batches, of which only their gates are left (the schema refuses it otherwise),
-- and count them as purged.
-- params: class_type text, batch_ids uuid[]
-- rows: one (how many)     index: batch_pkey     transaction: the caller's, which holds the batches
WITH gone AS (
    DELETE FROM school.batch WHERE batch_id = ANY(%(batch_ids)s::uuid[]) RETURNING batch_id
), told AS (
    INSERT INTO school.batch_tally (class_type, active, completed, purged)
    SELECT %(class_type)s::text, 0, -count(*), count(*) FROM gone HAVING count(*) > 0
)
SELECT count(*) FROM gone
