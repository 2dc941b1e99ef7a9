-- doctor/count_connections
-- How many connections there are and may be: of the server without those that it reserves, of this
-- database, and of this login (-1: no limit).
-- params: none
-- rows: one     transaction: any
SELECT (SELECT sum(numbackends)::bigint FROM pg_stat_database),
       current_setting('max_connections')::bigint
       - current_setting('superuser_reserved_connections')::bigint
       - coalesce(current_setting('reserved_connections', true)::bigint, 0),
       (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()),
       (SELECT datconnlimit::bigint FROM pg_database WHERE datname = current_database()),
       (SELECT count(*) FROM pg_stat_activity WHERE usename = session_user),
       (SELECT rolconnlimit::bigint FROM pg_roles WHERE rolname = session_user)
