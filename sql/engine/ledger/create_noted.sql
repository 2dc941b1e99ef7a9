-- ledger/create_noted
-- A temporary table of what the ledger of dead letters says now: by id of the event `aside`, why it
-- is in no topic (`parked`, `discarded`; NULL: it was redriven), and the topic that it was redriven
-- to, if that is another one. To be made before the topics are read: what is parked now may be
-- found there later, and what was redriven is found there.
-- params: none
-- rows: none     transaction: the caller's
CREATE TEMPORARY TABLE noted ON COMMIT DROP AS
SELECT id, event_id, topic, to_topic,
       CASE state WHEN 'redriving' THEN 'parked' WHEN 'redriven' THEN NULL ELSE state END AS aside
FROM outbox.dead_letter_event
