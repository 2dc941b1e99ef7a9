-- What a row was surely written after: every transaction below its horizon had ended.
-- Of two events of a key that were written side by side neither is the first, whatever
-- their ids; `verify` holds a topic to an order only where the horizon proves one.
-- Rows from before this migration have none.
ALTER TABLE outbox.event ADD COLUMN horizon xid8;
ALTER TABLE outbox.event
    ALTER COLUMN horizon SET DEFAULT pg_snapshot_xmin(pg_current_snapshot());
