-- server/draw_xid
-- A new transaction id: whoever drew an event's id before this has a lower one.
-- Nothing is written, so the commit waits for no disk.
-- params: none
-- rows: one     transaction: none (autocommit)
SELECT pg_current_xact_id()::text::bigint
