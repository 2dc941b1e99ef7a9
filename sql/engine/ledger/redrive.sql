-- ledger/redrive
-- Ask for parked events to be published; see outbox.redrive().
-- params: topic text, key text, event_id uuid, to_topic text, rate float8 (NULL: not given),
--         everything boolean
-- rows: one (the request; NULL where nothing is parked)     transaction: the caller's
SELECT outbox.redrive(%(topic)s::text, %(key)s::text, %(event_id)s::uuid, %(to_topic)s::text,
                      %(rate)s::float8, %(everything)s::boolean)
