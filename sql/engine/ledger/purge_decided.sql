-- ledger/purge_decided
-- Remove some rows of the ledger that were decided before `before`, and whose events are gone: while
-- an event is there, its row says why it is in no topic. Lowest id first.
-- params: after bigint (the id where the last call ended), before timestamptz, rows bigint
-- rows: one (how many, where it ended)     transaction: its own
SELECT removed, highest
FROM outbox.purge_dead_letters(%(after)s::bigint, %(before)s::timestamptz, %(rows)s::bigint)
