-- retention/count_early_failures
-- How many failed files purge would delete that wait for a batch that is not there.
-- params: before timestamptz
-- rows: one     index: failure_waiting_idx     transaction: any
SELECT count(*) FROM school.failure
WHERE status = 'pending' AND arrived_at < %(before)s::timestamptz
  AND NOT EXISTS (SELECT FROM school.batch WHERE batch.batch_id = failure.batch_id)
