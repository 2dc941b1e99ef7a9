-- bench/read_costs
-- The end of the WAL, and what was written to the events' tables and to all tables
-- of the schema so far.
-- rows: one
SELECT pg_current_wal_lsn() - '0/0'::pg_lsn AS wal,
       coalesce(sum(n_tup_upd + n_tup_del) FILTER (WHERE relname LIKE 'event%%'), 0) AS event_changes,
       coalesce(sum(n_dead_tup) FILTER (WHERE relname LIKE 'event%%'), 0) AS event_dead,
       coalesce(sum(n_tup_upd + n_tup_del), 0) AS all_changes
FROM pg_stat_user_tables
WHERE schemaname = 'outbox'
