-- partition/drop_partition
-- Drop the partition of a UTC day; false where some row of it is not published, or came
-- while it was looked at. Refused in any isolation level but READ COMMITTED.
-- params: day date
-- rows: one     transaction: its own; mind lock_timeout
SELECT outbox.drop_partition(%(day)s::date)
