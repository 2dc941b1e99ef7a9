-- rebase/settle_deleted
-- Dead letters whose events were deleted get the first xid that there is where theirs is not of this
-- cluster's past, as rebase/mark_published does with events.
-- params: snapshot pg_snapshot, is_foreign boolean (no xid is of this cluster)
-- rows: rowcount     transaction: the caller's
UPDATE outbox.dead_letter_event AS letter SET xid = '3'
WHERE letter.xid <> '3'
  AND (%(is_foreign)s::boolean
       OR NOT pg_visible_in_snapshot(letter.xid, %(snapshot)s::text::pg_snapshot))
  AND NOT EXISTS (SELECT FROM outbox.event
                  WHERE event.id = letter.id AND event.created_at = letter.created_at)
