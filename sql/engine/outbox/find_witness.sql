-- outbox/find_witness
-- The rows that stand under these ids today; a missing one is lost or was purged.
-- params: ids bigint[]
-- rows: many     index: event_pkey     transaction: none (autocommit)
SELECT id, xid, event_id::text FROM outbox.event WHERE id = ANY(%(ids)s::bigint[])
