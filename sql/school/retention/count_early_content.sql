-- retention/count_early_content
-- How many texts purge would delete that wait for a batch that is not there.
-- params: before timestamptz
-- rows: one     index: content_waiting_idx     transaction: any
SELECT count(*) FROM school.content
WHERE status = 'pending' AND arrived_at < %(before)s::timestamptz
  AND NOT EXISTS (SELECT FROM school.batch WHERE batch.batch_id = content.batch_id)
