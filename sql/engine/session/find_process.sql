-- session/find_process
-- The process of the server that answers this session just now.
-- params: none
-- rows: one     transaction: the caller's, or none (autocommit)
SELECT pg_backend_pid()
