-- The sequences of dead letters are watched like the others: on the server of a switch-over an order with a
-- number that was given out before would be one that is done.

-- As in 0006, and what people asked for: by its own number, which refused events keep, and by its request.
CREATE OR REPLACE VIEW outbox.sequence AS
SELECT 'outbox.event_id_seq'::text AS name, CASE WHEN is_called THEN last_value ELSE 0 END AS reached,
       greatest((SELECT max(id) FROM outbox.event), (SELECT id FROM outbox.purged),
                (SELECT greatest(max(cursor), max(floor)) FROM outbox.position), 0) AS highest
FROM outbox.event_id_seq
UNION ALL
SELECT 'outbox.command_seq_seq', CASE WHEN is_called THEN last_value ELSE 0 END,
       coalesce((SELECT max(seq) FROM outbox.command WHERE status = 'queued'), 0)
FROM outbox.command_seq_seq
UNION ALL
SELECT 'outbox.dead_letter_order_id_seq', CASE WHEN is_called THEN last_value ELSE 0 END,
       greatest((SELECT max(id) FROM outbox.dead_letter_order),
                (SELECT max(refused_in + 0) FROM outbox.dead_letter_event
                 WHERE refused_in IS NOT NULL), 0)
FROM outbox.dead_letter_order_id_seq
UNION ALL
SELECT 'outbox.dead_letter_request_seq', CASE WHEN is_called THEN last_value ELSE 0 END,
       coalesce((SELECT max(request) FROM outbox.dead_letter_order), 0)
FROM outbox.dead_letter_request_seq
UNION ALL
SELECT name, reached, highest FROM outbox.list_application_sequences();

-- As in 0006 and 0013, and orders that are open, whose numbers were drawn too early, get new ones. (The id is
-- unique: these are only those for which purge had made room.)
CREATE OR REPLACE FUNCTION outbox.catch_up()
RETURNS TABLE (name text, reached bigint, highest bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    behind record;
    late record;
    last timestamptz;
    fresh bigint;
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
        ELSIF behind.name = 'outbox.dead_letter_order_id_seq' THEN
            FOR late IN SELECT o.id FROM outbox.dead_letter_order AS o
                WHERE o.state = 'open' AND o.id <= behind.reached AND o.ordered_at > coalesce((
                    SELECT max(p.ordered_at) FROM outbox.dead_letter_order AS p
                    WHERE p.id > behind.reached), '-infinity')
                ORDER BY o.id LOOP
                UPDATE outbox.dead_letter_order AS o SET id = DEFAULT WHERE o.id = late.id;
            END LOOP;
        ELSIF behind.name = 'outbox.dead_letter_request_seq' THEN
            last := (SELECT max(o.ordered_at) FROM outbox.dead_letter_order AS o
                     WHERE o.request > behind.reached);
            FOR late IN SELECT DISTINCT o.request FROM outbox.dead_letter_order AS o
                WHERE o.state = 'open' AND o.request <= behind.reached AND o.ordered_at > last
                ORDER BY o.request LOOP
                fresh := nextval('outbox.dead_letter_request_seq');
                UPDATE outbox.dead_letter_order AS o SET request = fresh
                WHERE o.request = late.request AND o.ordered_at > last;
            END LOOP;
        ELSE
            SELECT renumber INTO late FROM outbox.application_sequence WHERE sequence = behind.name;
            EXECUTE format('SELECT %s($1)', late.renumber::regproc) USING behind.reached;
        END IF;
        RETURN QUERY SELECT behind.name, behind.reached, behind.highest;
    END LOOP;
END $$;
