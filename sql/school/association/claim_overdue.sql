-- association/claim_overdue
-- Undecided essays that were suggested no later than `until`, the oldest first, and their
-- batches locked. Batches that somebody else holds are passed over: he decides, or the next
-- round does. An essay may have been decided just before its batch was locked, so the
-- statement that decides looks again.
-- params: until timestamptz, rows bigint
-- rows: many     index: association_undecided_idx, batch_pkey     transaction: the caller's
SELECT association.batch_id, association.essay_id, batch.class_id, batch.correlation_id
FROM school.association JOIN school.batch ON batch.batch_id = association.batch_id
WHERE association.method IS NULL AND association.suggested_at <= %(until)s::timestamptz
ORDER BY association.suggested_at, association.batch_id
LIMIT %(rows)s::bigint
FOR NO KEY UPDATE OF batch SKIP LOCKED
