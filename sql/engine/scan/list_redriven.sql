-- scan/list_redriven
-- Which of these events were dead letters that were redriven, and when.
-- params: event_ids uuid[]
-- rows: many     transaction: any
SELECT event_id, decided_at FROM outbox.dead_letter_event
WHERE event_id = ANY(%(event_ids)s::uuid[]) AND state IN ('redriving', 'redriven')
  AND decided_at IS NOT NULL
