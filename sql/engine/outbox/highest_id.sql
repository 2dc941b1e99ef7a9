-- outbox/highest_id
-- The highest id of a committed event, 0 without any.
-- params: none
-- rows: one     index: event_pkey     transaction: none (autocommit)
SELECT coalesce(max(id), 0) FROM outbox.event
