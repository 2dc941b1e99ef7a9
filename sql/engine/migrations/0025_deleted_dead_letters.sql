-- A row of the ledger of dead letters proves the position of a shard, where its event was deleted.
-- roles: outbox_purge

-- purge asks whether the positions are proved.
GRANT SELECT (xid, event_id) ON outbox.dead_letter_event TO outbox_purge;

-- As in 0020, and what is removed is noted as outbox.drop_partition does with events: a position that
-- one of these rows proved is proved by that.
CREATE OR REPLACE FUNCTION outbox.purge_dead_letters(
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
        RETURNING letter.id, letter.xid
    ), noted AS (
        INSERT INTO outbox.purged AS kept (id, xid)
        SELECT max(gone.id), max(gone.xid::text::bigint)::text::xid8 FROM gone HAVING count(*) > 0
        ON CONFLICT (one) DO UPDATE SET id = greatest(kept.id, excluded.id),
                                        xid = greatest(kept.xid, excluded.xid)
    )
    SELECT count(*), max(gone.id) INTO removed, highest FROM gone;
    DELETE FROM outbox.dead_letter_order WHERE id IN (
        SELECT id FROM outbox.dead_letter_order
        WHERE state <> 'open' AND ended_at < before LIMIT most);
END $$;
