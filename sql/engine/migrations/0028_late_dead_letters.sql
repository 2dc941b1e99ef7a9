-- What is parked of a whole topic between the word that ends it and the moment at which its worker hears.

-- As in 0018, and of all shards where that ends the parking of a whole topic: a worker may park more of it
-- before it hears of that. The rate is shared by the shards.
CREATE OR REPLACE FUNCTION outbox.redrive(
    topic text DEFAULT NULL, key text DEFAULT NULL, event_id uuid DEFAULT NULL,
    to_topic text DEFAULT NULL, rate double precision DEFAULT NULL, everything boolean DEFAULT false
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    request bigint := nextval('outbox.dead_letter_request_seq');
    closed bigint := 0;
    ordered bigint;
BEGIN
    IF NOT everything AND topic IS NULL AND event_id IS NULL OR key IS NOT NULL AND topic IS NULL THEN
        RAISE EXCEPTION 'outbox.redrive() takes an event_id, a topic, a topic and a key, or everything'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF key IS NULL AND event_id IS NULL THEN
        closed := outbox.stop_parking(topic);
    END IF;
    IF event_id IS NOT NULL THEN
        INSERT INTO outbox.dead_letter_order
            (request, action, shard, topic, key, event, to_topic, rate)
        SELECT request, 'redrive', letter.shard, letter.topic, letter.key, letter.id, to_topic,
               rate / count(*) OVER ()
        FROM outbox.dead_letter_event AS letter
        WHERE letter.event_id = event_id AND letter.state IN ('parked', 'redriving')
          AND (topic IS NULL OR letter.topic = topic) AND (key IS NULL OR letter.key = key);
    ELSE
        INSERT INTO outbox.dead_letter_order (request, action, shard, topic, key, to_topic, rate)
        SELECT request, 'redrive', place.shard, topic, key, to_topic, rate / count(*) OVER ()
        FROM generate_series(0, outbox.shard_count() - 1) AS place (shard)
        WHERE closed > 0 OR EXISTS (
            SELECT FROM outbox.dead_letter_event AS letter
            WHERE letter.shard = place.shard AND letter.state IN ('parked', 'redriving')
              AND (topic IS NULL OR letter.topic = topic) AND (key IS NULL OR letter.key = key));
    END IF;
    GET DIAGNOSTICS ordered = ROW_COUNT;
    RETURN CASE WHEN ordered > 0 THEN request END;
END $$;

-- As in 0018. What a worker parks behind events that are discarded in the same moment, or of a topic that is
-- parked as a whole before it hears that this ended, is redriven: nobody has decided about it.
CREATE OR REPLACE FUNCTION outbox.discard(
    topic text DEFAULT NULL, key text DEFAULT NULL, event_id uuid DEFAULT NULL,
    everything boolean DEFAULT false
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    ended text[] := '{}';
    discarded bigint;
BEGIN
    IF NOT everything AND topic IS NULL AND event_id IS NULL OR key IS NOT NULL AND topic IS NULL THEN
        RAISE EXCEPTION 'outbox.discard() takes an event_id, a topic, a topic and a key, or everything'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF key IS NULL AND event_id IS NULL THEN
        ended := ARRAY(
            SELECT DISTINCT standing.topic FROM outbox.dead_letter_order AS standing
            WHERE standing.state = 'open' AND standing.action = 'park' AND standing.shard IS NULL
              AND (topic IS NULL OR standing.topic = topic));
        PERFORM outbox.stop_parking(topic);
    END IF;
    WITH gone AS (
        UPDATE outbox.dead_letter_event AS letter
        SET state = 'discarded', decided_by = session_user, decided_at = clock_timestamp()
        WHERE letter.state = 'parked'
          AND (event_id IS NULL OR letter.event_id = event_id)
          AND (topic IS NULL OR letter.topic = topic) AND (key IS NULL OR letter.key = key)
        RETURNING letter.id, letter.shard, letter.topic, letter.key
    ), late AS (
        -- All of a sequence is gone: a worker may be about to park an event behind it. Where some of it is
        -- left, a person decides about that, and so about what comes behind it.
        INSERT INTO outbox.dead_letter_order (action, shard, topic, key)
        SELECT DISTINCT 'redrive', gone.shard, gone.topic,
               CASE WHEN event_id IS NOT NULL OR key IS NOT NULL THEN gone.key END
        FROM gone
        WHERE gone.key IS NOT NULL AND gone.topic <> ALL(ended)
          AND NOT EXISTS (
              SELECT FROM outbox.dead_letter_event AS other
              WHERE event_id IS NOT NULL AND other.shard = gone.shard AND other.topic = gone.topic
                AND other.key = gone.key AND other.id <> gone.id
                AND other.state IN ('parked', 'redriving'))
    )
    SELECT count(*) INTO discarded FROM gone;
    INSERT INTO outbox.dead_letter_order (request, action, shard, topic)
    SELECT late.request, 'redrive', place.shard, late.topic
    FROM (SELECT nextval('outbox.dead_letter_request_seq') AS request, one.topic
          FROM unnest(ended) AS one (topic)) AS late
    CROSS JOIN generate_series(0, outbox.shard_count() - 1) AS place (shard);
    RETURN discarded;
END $$;
