-- ledger/count_day
-- How many open dead letters keep a UTC day from being dropped.
-- params: day date
-- rows: one     index: dead_letter_event_day_idx     transaction: any
SELECT count(*) FROM outbox.dead_letter_event
WHERE state IN ('parked', 'redriving')
  AND created_at >= %(day)s::date::timestamp AT TIME ZONE 'UTC'
  AND created_at < (%(day)s::date + 1)::timestamp AT TIME ZONE 'UTC'
