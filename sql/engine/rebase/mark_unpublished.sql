-- rebase/mark_unpublished
-- Give the unpublished events the xid of this transaction: they are new once more. What another
-- cluster knew of its transactions goes with the old one.
-- params: is_foreign boolean (no xid is of this cluster)
-- rows: rowcount     transaction: the caller's, after rebase/insert_judged
UPDATE outbox.event
SET xid = pg_current_xact_id(),
    horizon = CASE WHEN %(is_foreign)s::boolean THEN NULL ELSE event.horizon END
FROM pg_temp.judged
WHERE judged.why = 'unpublished' AND event.id = judged.id AND event.created_at = judged.created_at
