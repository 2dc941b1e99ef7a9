-- ledger/count_relays
-- How many workers that publish are connected to this database. Every login sees the names of sessions.
-- params: none
-- rows: one     transaction: any
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'outbox-worker relay'
