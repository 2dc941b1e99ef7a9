-- last_purge/write_run
-- Write down that purge did all of its work, now.
-- params: older_than_days integer
-- rows: rowcount     transaction: the caller's
INSERT INTO outbox.last_purge (finished_at, older_than_days, written_by)
VALUES (clock_timestamp(), %(older_than_days)s::integer, session_user)
ON CONFLICT (one) DO UPDATE
SET finished_at = excluded.finished_at, older_than_days = excluded.older_than_days,
    written_by = excluded.written_by
