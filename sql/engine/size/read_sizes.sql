-- size/read_sizes
-- The bytes of the table of events (all days and the default partition, with indexes), when its oldest
-- day began, and when purge last did all of its work; both in seconds since 1970, NULL where there
-- is none.
-- params: none
-- rows: one     transaction: any
SELECT coalesce(sum(pg_total_relation_size(child.oid)), 0)::bigint,
       extract(epoch FROM min(CASE WHEN child.relname ~ '^event_[0-9]{8}$'
                                   THEN to_date(right(child.relname, 8), 'YYYYMMDD') END))::float8,
       (SELECT extract(epoch FROM finished_at)::float8 FROM outbox.last_purge)
FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
WHERE inhparent = 'outbox.event'::regclass
