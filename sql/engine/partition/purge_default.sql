-- partition/purge_default
-- Delete some published events older than `before` from the default partition, lowest id
-- first, and remember how far. What is not published as the mirror knows it stays. The function walks
-- event_default_pkey.
-- params: after bigint (the id where the last call ended), before timestamptz, rows bigint
-- rows: one (how many, where it ended)     transaction: its own
SELECT removed, highest
FROM outbox.purge_default(%(after)s::bigint, %(before)s::timestamptz, %(rows)s::bigint)
