-- ledger/discard
-- Give parked events up; see outbox.discard().
-- params: topic text, key text, event_id uuid (NULL: not given), everything boolean
-- rows: one (how many)     transaction: the caller's
SELECT outbox.discard(%(topic)s::text, %(key)s::text, %(event_id)s::uuid, %(everything)s::boolean)
