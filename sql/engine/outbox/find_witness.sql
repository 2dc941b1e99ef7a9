-- outbox/find_witness
-- The rows that stand under these ids today; a missing one is lost or was purged. A row of the ledger
-- of dead letters stands for an event that somebody deleted: it was written after the event, so that it
-- proves the same of id and xid.
-- params: ids bigint[]
-- rows: many     index: event_pkey     transaction: none (autocommit)
SELECT id, xid, event_id::text FROM outbox.event WHERE id = ANY(%(ids)s::bigint[])
UNION ALL
SELECT id, xid, event_id::text FROM outbox.dead_letter_event AS letter
WHERE id = ANY(%(ids)s::bigint[]) AND NOT EXISTS (SELECT FROM outbox.event WHERE event.id = letter.id)
