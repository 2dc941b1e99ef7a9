-- What came early under numbers of old rows is put behind these, too: texts and failed files
-- that wait for their batch, and events where all older ones are purged already.

CREATE OR REPLACE FUNCTION outbox.catch_up()
RETURNS TABLE (name text, reached bigint, highest bigint)
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
        ELSIF behind.name = 'school.arrival_seq' THEN
            -- Both tables in one order.
            FOR late IN
                WITH waiting AS (
                    SELECT c.batch_id, c.text_storage_id AS text_id, NULL AS upload_id,
                           c.arrival, c.arrived_at
                    FROM school.content AS c WHERE c.status = 'pending'
                    UNION ALL
                    SELECT f.batch_id, NULL, f.file_upload_id, f.arrival, f.arrived_at
                    FROM school.failure AS f WHERE f.status = 'pending'
                )
                SELECT w.batch_id, w.text_id, w.upload_id FROM waiting AS w
                WHERE w.arrival <= behind.reached AND w.arrived_at > (
                    SELECT max(o.arrived_at) FROM waiting AS o WHERE o.arrival > behind.reached)
                ORDER BY w.arrival LOOP
                UPDATE school.content AS c SET arrival = DEFAULT
                WHERE c.status = 'pending' AND c.batch_id = late.batch_id
                  AND c.text_storage_id = late.text_id;
                UPDATE school.failure AS f SET arrival = DEFAULT
                WHERE f.status = 'pending' AND f.batch_id = late.batch_id
                  AND f.file_upload_id = late.upload_id;
            END LOOP;
        END IF;
        RETURN QUERY SELECT behind.name, behind.reached, behind.highest;
    END LOOP;
END $$;
