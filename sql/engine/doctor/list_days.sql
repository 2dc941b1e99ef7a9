-- doctor/list_days
-- The days of the table of events, oldest first, each with its bytes (with indexes); the default
-- partition, which is no day, is the last.
-- params: none
-- rows: many     transaction: any
SELECT CASE WHEN child.relname ~ '^event_[0-9]{8}$'
            THEN to_date(right(child.relname, 8), 'YYYYMMDD') END AS day,
       pg_total_relation_size(child.oid)
FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
WHERE inhparent = 'outbox.event'::regclass
ORDER BY day NULLS LAST
