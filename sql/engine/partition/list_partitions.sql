-- partition/list_partitions
-- The days that have a partition, oldest first; the default one is not among them.
-- params: none
-- rows: many     transaction: any
SELECT to_date(right(child.relname, 8), 'YYYYMMDD')
FROM pg_inherits
JOIN pg_class AS child ON child.oid = inhrelid
WHERE inhparent = 'outbox.event'::regclass AND child.relname ~ '^event_[0-9]{8}$'
ORDER BY 1
