-- rebase/mark_unpublished
-- Give the unpublished events the xid of this transaction: they are new once more.
-- params: none
-- rows: rowcount     transaction: the caller's, after rebase/insert_judged
UPDATE outbox.event SET xid = pg_current_xact_id()
FROM pg_temp.judged
WHERE judged.why = 'unpublished' AND event.id = judged.id AND event.created_at = judged.created_at
