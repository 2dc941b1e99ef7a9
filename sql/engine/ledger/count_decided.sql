-- ledger/count_decided
-- How many rows of the ledger `purge_decided` would remove once the days before `before` are dropped,
-- but for these.
-- params: before timestamptz, kept date[]
-- rows: one     transaction: any
SELECT count(*) FROM outbox.dead_letter_event AS letter
WHERE state IN ('redriven', 'discarded') AND decided_at < %(before)s::timestamptz
  AND (created_at < date_trunc('day', %(before)s::timestamptz, 'UTC')
           AND (created_at AT TIME ZONE 'UTC')::date <> ALL(%(kept)s::date[])
       OR NOT EXISTS (SELECT FROM outbox.event
                      WHERE event.id = letter.id AND event.created_at = letter.created_at))
