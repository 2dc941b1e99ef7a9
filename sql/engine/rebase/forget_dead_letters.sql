-- rebase/forget_dead_letters
-- A dead letter that the ledger calls redriven, and that is in no topic, will be published as any
-- event that is new: nothing is kept of it.
-- params: none
-- rows: rowcount     transaction: the caller's, after rebase/insert_judged
DELETE FROM outbox.dead_letter_event AS letter
USING pg_temp.judged
WHERE judged.id = letter.id AND judged.why = 'unpublished'
