-- partition/add_partition
-- Make the partition of a UTC day: true where made, false where it is there, NULL
-- where rows of that day sit in the default partition.
-- params: day date
-- rows: one     transaction: its own; mind lock_timeout
SELECT outbox.add_partition(%(day)s::date)
