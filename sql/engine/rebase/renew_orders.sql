-- rebase/renew_orders
-- What people asked to have parked, and is not done, is asked for anew: it is about what was written
-- before this transaction, and about its event with the xid that this has now (3 where it is gone, so
-- that the order ends). The old xids may be of another cluster, or be given out a second time.
-- params: none
-- rows: rowcount     transaction: the caller's, after rebase/mark_published
UPDATE outbox.dead_letter_order AS o
SET xid = pg_current_xact_id(),
    event_xid = CASE WHEN o.event IS NOT NULL THEN coalesce(
        (SELECT event.xid FROM pg_temp.judged JOIN outbox.event USING (id, created_at)
         WHERE judged.id = o.event), '3') END
WHERE o.state = 'open' AND o.action = 'park'
