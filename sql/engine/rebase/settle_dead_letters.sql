-- rebase/settle_dead_letters
-- Dead letters get the xids that their events have now. Open ones whose events are in a topic were
-- redriven, whatever the ledger says of them; one whose redrive reached no topic is parked again.
-- params: none
-- rows: rowcount     transaction: the caller's, after rebase/mark_published
UPDATE outbox.dead_letter_event AS letter
SET xid = event.xid,
    state = CASE WHEN letter.state NOT IN ('parked', 'redriving') THEN letter.state
                 WHEN judged.why = 'found' THEN 'redriven' ELSE 'parked' END,
    decided_by = CASE WHEN letter.state = 'redriving' OR judged.why = 'found'
                      THEN coalesce(letter.decided_by, 'rebase') ELSE letter.decided_by END,
    decided_at = CASE WHEN letter.state IN ('parked', 'redriving') AND judged.why = 'found'
                      THEN clock_timestamp() ELSE letter.decided_at END
FROM pg_temp.judged JOIN outbox.event USING (id, created_at)
WHERE judged.id = letter.id
  AND (letter.xid <> event.xid OR letter.state = 'redriving'
       OR letter.state = 'parked' AND judged.why = 'found')
