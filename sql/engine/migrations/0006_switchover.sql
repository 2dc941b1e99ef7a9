-- A switch-over by logical replication brings rows and leaves sequences behind: on the new
-- server they begin at 1, and new rows would get the numbers of old ones.

-- The sequences of an application whose numbers order something; its migrations fill it.
-- `highest` is a function without arguments: the highest number that still orders something, 0
-- where none does. `renumber` is one of what the sequence had given out: it gives what waits
-- under a number up to that, but was written after rows with higher ones, new numbers.
CREATE TABLE outbox.application_sequence (
    sequence text PRIMARY KEY,
    highest text NOT NULL,
    renumber text NOT NULL
);

-- What of those tables `outbox.sequence` shows.
CREATE FUNCTION outbox.list_application_sequences()
RETURNS TABLE (name text, reached bigint, highest bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    each outbox.application_sequence;
BEGIN
    FOR each IN SELECT * FROM outbox.application_sequence LOOP
        RETURN QUERY EXECUTE format(
            'SELECT %L::text, CASE WHEN is_called THEN last_value ELSE 0 END, %s() FROM %s',
            each.sequence, each.highest::regproc, each.sequence::regclass);
    END LOOP;
END $$;

-- Each sequence with what it has given out, and the highest number that still orders something:
-- of all events, of commands that are queued, and what an application says of its own.
CREATE VIEW outbox.sequence AS
SELECT 'outbox.event_id_seq'::text AS name, CASE WHEN is_called THEN last_value ELSE 0 END AS reached,
       greatest((SELECT max(id) FROM outbox.event), (SELECT id FROM outbox.purged),
                (SELECT greatest(max(cursor), max(floor)) FROM outbox.position), 0) AS highest
FROM outbox.event_id_seq
UNION ALL
SELECT 'outbox.command_seq_seq', CASE WHEN is_called THEN last_value ELSE 0 END,
       coalesce((SELECT max(seq) FROM outbox.command WHERE status = 'queued'), 0)
FROM outbox.command_seq_seq
UNION ALL
SELECT name, reached, highest FROM outbox.list_application_sequences();

-- Set the sequences that are behind, and give what was written meanwhile, under numbers of
-- old rows, new ones behind these: events that are not published yet by what they were
-- written after (a published one is found by its event id, whatever its number), and queued
-- commands. For the owner.
CREATE FUNCTION outbox.catch_up() RETURNS TABLE (name text, reached bigint, highest bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    behind record;
    late record;
BEGIN
    FOR behind IN SELECT * FROM outbox.sequence AS s WHERE s.reached < s.highest LOOP
        -- What a writer draws between the look and this stays below: it is never set back.
        PERFORM setval(behind.name::regclass, behind.highest + 1000);
        IF behind.name = 'outbox.event_id_seq' THEN
            FOR late IN SELECT e.id, e.created_at FROM outbox.event AS e
                WHERE e.id <= behind.reached AND e.created_at > coalesce((
                    SELECT max(o.created_at) FROM outbox.event AS o WHERE o.id > behind.reached),
                    '-infinity')
                ORDER BY e.id LOOP
                UPDATE outbox.event AS e SET id = nextval('outbox.event_id_seq')
                WHERE e.id = late.id AND e.created_at = late.created_at;
            END LOOP;
        ELSIF behind.name = 'outbox.command_seq_seq' THEN
            FOR late IN SELECT c.command_id FROM outbox.command AS c
                WHERE c.status = 'queued' AND c.seq <= behind.reached AND c.submitted_at > (
                    SELECT max(o.submitted_at) FROM outbox.command AS o
                    WHERE o.status = 'queued' AND o.seq > behind.reached)
                ORDER BY c.seq LOOP
                UPDATE outbox.command AS c SET seq = DEFAULT WHERE c.command_id = late.command_id;
            END LOOP;
        ELSE
            SELECT renumber INTO late FROM outbox.application_sequence WHERE sequence = behind.name;
            EXECUTE format('SELECT %s($1)', late.renumber::regproc) USING behind.reached;
        END IF;
        RETURN QUERY SELECT behind.name, behind.reached, behind.highest;
    END LOOP;
END $$;

REVOKE ALL ON FUNCTION outbox.list_application_sequences, outbox.catch_up FROM PUBLIC;
GRANT EXECUTE ON FUNCTION outbox.list_application_sequences TO outbox_reader, outbox_worker;
GRANT SELECT ON outbox.application_sequence, outbox.sequence TO outbox_reader, outbox_worker;
