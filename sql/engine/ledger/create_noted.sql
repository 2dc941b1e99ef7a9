-- ledger/create_noted
-- A temporary table of what the ledger of dead letters says now: by id of the event `aside`, why it
-- is in no topic (`parked`, `discarded`; NULL: it was redriven), and the topic that it was redriven
-- to, if that is another one than its own, as the table of events has it. To be made before the topics
-- are read: what is parked now may be found there later, and what was redriven is found there.
-- params: none
-- rows: none     transaction: the caller's
CREATE TEMPORARY TABLE noted ON COMMIT DROP AS
SELECT id, event_id, to_topic,
       CASE WHEN to_topic IS NOT NULL THEN
           (SELECT event.topic FROM outbox.event
            WHERE event.id = letter.id AND event.created_at = letter.created_at) END AS topic,
       CASE state WHEN 'redriving' THEN 'parked' WHEN 'redriven' THEN NULL ELSE state END AS aside
FROM outbox.dead_letter_event AS letter
