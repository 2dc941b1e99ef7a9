-- doctor/find_oldest
-- What purge would take first: whether it ever removed an event, and when the oldest finished command
-- that is still there finished.
-- params: none
-- rows: one     transaction: any
SELECT EXISTS (SELECT FROM outbox.purged),
       (SELECT min(finished_at) FROM outbox.command WHERE finished_at IS NOT NULL)
