-- What becomes of the ledger of dead letters with time, and when a history was lost.
-- roles: outbox_operator, outbox_purge

-- rebase says in the ledger what it finds in the topics, and takes it over from all workers.
GRANT UPDATE (epoch, number) ON outbox.dead_letter_shard TO outbox_operator;
GRANT UPDATE (xid, state, number, decided_by, decided_at) ON outbox.dead_letter_event
    TO outbox_operator;
GRANT DELETE ON outbox.dead_letter_event TO outbox_operator;

-- purge reads what tells whether a day can go, and nothing that a writer wrote.
GRANT SELECT (id, created_at, state, decided_at) ON outbox.dead_letter_event TO outbox_purge;

-- Delete up to `most` rows of the ledger above the id `beyond`, lowest id first: those that were
-- decided before `before`, and whose events are gone. While an event is in the table, its row says
-- why it is in no topic. What people asked for goes with them, once it is over.
CREATE FUNCTION outbox.purge_dead_letters(
    beyond bigint, before timestamptz, most bigint, OUT removed bigint, OUT highest bigint
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    WITH old AS (
        SELECT letter.id FROM outbox.dead_letter_event AS letter
        WHERE letter.id > beyond AND letter.state IN ('redriven', 'discarded')
          AND letter.decided_at < before
          AND NOT EXISTS (SELECT FROM outbox.event
                          WHERE event.id = letter.id AND event.created_at = letter.created_at)
        ORDER BY letter.id
        LIMIT most
    ), gone AS (
        DELETE FROM outbox.dead_letter_event AS letter USING old
        WHERE letter.id = old.id AND letter.state IN ('redriven', 'discarded')
        RETURNING letter.id
    )
    SELECT count(*), max(gone.id) INTO removed, highest FROM gone;
    DELETE FROM outbox.dead_letter_order WHERE id IN (
        SELECT id FROM outbox.dead_letter_order
        WHERE state <> 'open' AND ended_at < before LIMIT most);
END $$;
REVOKE ALL ON FUNCTION outbox.purge_dead_letters FROM PUBLIC;
GRANT EXECUTE ON FUNCTION outbox.purge_dead_letters TO outbox_purge;
