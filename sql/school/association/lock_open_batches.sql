-- association/lock_open_batches
-- The owner's batches of classes that are not complete, held against whoever suggests or decides:
-- what was under way has ended, and the next statement sees it. The isolation level of the
-- transaction comes with each: only READ COMMITTED sees what those wrote who were waited for.
-- params: owner text
-- rows: many     index: batch_owner_idx     transaction: the caller's
SELECT current_setting('transaction_isolation') FROM school.batch
WHERE owner = %(owner)s::text AND class_type = 'REGULAR' AND completed_at IS NULL
ORDER BY batch_id
FOR NO KEY UPDATE
