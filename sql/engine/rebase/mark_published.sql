-- rebase/mark_published
-- Give published events whose xid is not of this cluster's past the first xid that there
-- is (3, FirstNormalTransactionId): every snapshot sees it, and nothing will draw it. Their
-- horizons are xids of the same past, and go with it.
-- params: snapshot pg_snapshot, is_foreign boolean (no xid is of this cluster)
-- rows: rowcount     transaction: the caller's, after rebase/insert_judged
UPDATE outbox.event SET xid = '3', horizon = NULL
FROM pg_temp.judged
WHERE judged.why <> 'unpublished'
  AND event.id = judged.id AND event.created_at = judged.created_at AND event.xid <> '3'
  AND (%(is_foreign)s::boolean
       OR NOT pg_visible_in_snapshot(event.xid, %(snapshot)s::text::pg_snapshot))
