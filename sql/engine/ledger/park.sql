-- ledger/park
-- Ask for waiting events to be parked; see outbox.park().
-- params: topic text, key text, event_id uuid, reason text (NULL: not given)
-- rows: one (the request)     transaction: the caller's
SELECT outbox.park(%(topic)s::text, %(key)s::text, %(event_id)s::uuid, %(reason)s::text)
