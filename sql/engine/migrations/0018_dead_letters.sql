-- Events that leave the way of the others: the ledger of dead letters, and what people ask for.
-- roles: outbox_reader, outbox_worker, outbox_relay, outbox_operator

-- By shard, who may write to the ledger. A worker that takes a shard over raises `epoch` before it
-- claims the shard in Kafka, and names it in each of its writes: one that was frozen meanwhile writes
-- nothing more. `number` counts these writes. The position in Kafka carries the one that it rests on,
-- so that a ledger that has lost some (a fail-over) is noticed.
CREATE TABLE outbox.dead_letter_shard (
    shard smallint PRIMARY KEY CHECK (shard BETWEEN 0 AND outbox.shard_count() - 1),
    epoch bigint NOT NULL DEFAULT 0,
    number bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
INSERT INTO outbox.dead_letter_shard (shard) SELECT generate_series(0, outbox.shard_count() - 1);

-- The ledger: a row is committed before the position in Kafka passes its event, and from then on the
-- event goes out by a redrive alone.
CREATE TABLE outbox.dead_letter_event (
    -- Of outbox.event, as are the columns after it.
    id bigint PRIMARY KEY,
    created_at timestamptz NOT NULL,
    xid xid8 NOT NULL,
    shard smallint NOT NULL,
    topic text NOT NULL,
    key text,
    event_id uuid NOT NULL,
    type text NOT NULL,
    reason text NOT NULL,
    code text NOT NULL,
    -- The id of the event whose parking began the sequence, where it is not this one.
    behind bigint,
    parked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    parked_by text NOT NULL,
    state text NOT NULL DEFAULT 'parked'
        CONSTRAINT dead_letter_has_a_state
        CHECK (state IN ('parked', 'redriving', 'redriven', 'discarded')),
    -- Of the shard, when the row was written and when it was last redriven.
    number bigint NOT NULL,
    to_topic text,
    attempts integer NOT NULL DEFAULT 0,
    -- The order whose redrive of it was refused last.
    refused_in bigint,
    decided_by text,
    decided_at timestamptz
);
CREATE INDEX dead_letter_event_open_idx ON outbox.dead_letter_event (shard, topic, key, id)
    WHERE state IN ('parked', 'redriving');
CREATE INDEX dead_letter_event_redriving_idx ON outbox.dead_letter_event (shard)
    WHERE state = 'redriving';
CREATE INDEX dead_letter_event_xid_idx ON outbox.dead_letter_event (shard, xid);
CREATE INDEX dead_letter_event_day_idx ON outbox.dead_letter_event (created_at)
    WHERE state IN ('parked', 'redriving');
CREATE INDEX dead_letter_event_event_id_idx ON outbox.dead_letter_event (event_id);

-- What people asked for. The worker of the shard carries it out. Orders of one call share `request`.
CREATE SEQUENCE outbox.dead_letter_request_seq AS bigint;
CREATE TABLE outbox.dead_letter_order (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    request bigint NOT NULL DEFAULT nextval('outbox.dead_letter_request_seq'),
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    action text NOT NULL
        CONSTRAINT dead_letter_order_has_an_action CHECK (action IN ('park', 'redrive')),
    -- NULL is every shard: a whole topic is parked until the order is closed.
    shard smallint,
    -- NULL is every topic, every key.
    topic text,
    key text,
    -- One event by its id in outbox.event; of a keyed one the sequence up to it.
    event bigint,
    event_xid xid8,
    to_topic text,
    -- Events in a second at most; NULL is as fast as it goes.
    rate double precision
        CONSTRAINT dead_letter_order_has_a_rate CHECK (rate > 0 AND rate < 'Infinity'),
    reason text,
    ordered_by text NOT NULL DEFAULT session_user,
    ordered_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    state text NOT NULL DEFAULT 'open'
        CONSTRAINT dead_letter_order_has_a_state CHECK (state IN ('open', 'done', 'failed')),
    events bigint NOT NULL DEFAULT 0,
    outcome text,
    ended_at timestamptz
);
CREATE INDEX dead_letter_order_open_idx ON outbox.dead_letter_order (id) WHERE state = 'open';
CREATE INDEX dead_letter_order_request_idx ON outbox.dead_letter_order (request);

CREATE VIEW outbox.dead_letter AS
SELECT letter.event_id, letter.topic, letter.key, letter.type, letter.reason, letter.code,
       first.event_id AS behind, letter.parked_at, letter.state, letter.decided_by, letter.decided_at,
       letter.attempts, letter.parked_by, letter.to_topic, letter.shard, letter.id, letter.created_at
FROM outbox.dead_letter_event AS letter
LEFT JOIN outbox.dead_letter_event AS first ON first.id = letter.behind;

GRANT SELECT ON outbox.dead_letter_shard, outbox.dead_letter_event, outbox.dead_letter_order,
    outbox.dead_letter TO outbox_reader, outbox_worker, outbox_relay, outbox_operator;
GRANT UPDATE (epoch, number) ON outbox.dead_letter_shard TO outbox_relay;
GRANT INSERT ON outbox.dead_letter_event TO outbox_relay;
GRANT UPDATE (reason, code, state, number, to_topic, attempts, refused_in, decided_by, decided_at)
    ON outbox.dead_letter_event TO outbox_relay;
GRANT UPDATE (state, events, outcome, ended_at) ON outbox.dead_letter_order TO outbox_relay;

-- Events of this id that are not published, as far as the mirror knows; see find_event().
CREATE FUNCTION outbox.find_waiting(event_id uuid) RETURNS SETOF outbox.event
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET jit = off SET plan_cache_mode = force_custom_plan
SET enable_seqscan = off SET enable_bitmapscan = off AS $$
#variable_conflict use_variable
BEGIN
    RETURN QUERY
    WITH place AS (
        SELECT shard.shard, coalesce(seen, '1:1:'::pg_snapshot) AS seen, upper, cursor
        FROM generate_series(0, outbox.shard_count() - 1) AS shard (shard)
             LEFT JOIN outbox.position USING (shard)
    ), found AS (
        SELECT e.* FROM outbox.event AS e
        WHERE e.xid >= (SELECT pg_snapshot_xmax(seen) AS xmax FROM place ORDER BY 1 LIMIT 1)
          AND e.event_id = find_waiting.event_id
        UNION
        SELECT e.* FROM outbox.event AS e
        WHERE e.xid = ANY(ARRAY(SELECT pg_snapshot_xip(seen) FROM place))
          AND e.event_id = find_waiting.event_id
    )
    SELECT found.* FROM found JOIN place ON place.shard = found.shard
    WHERE NOT pg_visible_in_snapshot(found.xid, place.seen)
      AND NOT (place.upper IS NOT NULL AND found.id <= place.cursor
               AND pg_visible_in_snapshot(found.xid, place.upper));
END $$;

-- Have waiting events leave the way: one by its event id, with later events of its key behind it;
-- those of a key of a topic; or all of a topic, also later ones, until it is redriven or discarded.
-- Returns the request. The worker of the shard does it within a second; see outbox.dead_letter_order.
CREATE FUNCTION outbox.park(
    topic text DEFAULT NULL, key text DEFAULT NULL, event_id uuid DEFAULT NULL,
    reason text DEFAULT NULL
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    request bigint := nextval('outbox.dead_letter_request_seq');
    ordered bigint;
BEGIN
    IF event_id IS NULL AND topic IS NULL OR event_id IS NOT NULL AND key IS NOT NULL THEN
        RAISE EXCEPTION 'outbox.park() takes an event_id, a topic and a key, or a topic alone'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF event_id IS NOT NULL THEN
        INSERT INTO outbox.dead_letter_order
            (request, action, shard, topic, key, event, event_xid, reason)
        SELECT request, 'park', found.shard, found.topic, found.key, found.id, found.xid, reason
        FROM outbox.find_waiting(event_id) AS found
        WHERE topic IS NULL OR found.topic = topic;
    ELSE
        INSERT INTO outbox.dead_letter_order (request, action, shard, topic, key, reason)
        VALUES (request, 'park',
                CASE WHEN key IS NOT NULL THEN
                    hashtextextended(key, 0) & (outbox.shard_count() - 1) END,
                topic, key, reason);
    END IF;
    GET DIAGNOSTICS ordered = ROW_COUNT;
    IF ordered = 0 THEN
        RAISE EXCEPTION 'no event % waits to be published', event_id
            USING ERRCODE = 'no_data_found',
                  HINT = 'It is published, parked already, or not committed yet.';
    END IF;
    RETURN request;
END $$;

-- Have parked events published, in the order of their ids: of all topics (everything), of a topic, of
-- a key, or one by its event id, of a keyed one the sequence up to it; at most `rate` a second, and to
-- another topic where one is given. Returns the request; NULL where nothing of it is parked.
CREATE FUNCTION outbox.redrive(
    topic text DEFAULT NULL, key text DEFAULT NULL, event_id uuid DEFAULT NULL,
    to_topic text DEFAULT NULL, rate double precision DEFAULT NULL, everything boolean DEFAULT false
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    request bigint := nextval('outbox.dead_letter_request_seq');
    ordered bigint;
BEGIN
    IF NOT everything AND topic IS NULL AND event_id IS NULL OR key IS NOT NULL AND topic IS NULL THEN
        RAISE EXCEPTION 'outbox.redrive() takes an event_id, a topic, a topic and a key, or everything'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF key IS NULL AND event_id IS NULL THEN
        PERFORM outbox.stop_parking(topic);
    END IF;
    IF event_id IS NOT NULL THEN
        INSERT INTO outbox.dead_letter_order
            (request, action, shard, topic, key, event, to_topic, rate)
        SELECT request, 'redrive', letter.shard, letter.topic, letter.key, letter.id, to_topic, rate
        FROM outbox.dead_letter_event AS letter
        WHERE letter.event_id = event_id AND letter.state IN ('parked', 'redriving')
          AND (topic IS NULL OR letter.topic = topic) AND (key IS NULL OR letter.key = key);
    ELSE
        INSERT INTO outbox.dead_letter_order (request, action, shard, topic, key, to_topic, rate)
        SELECT DISTINCT request, 'redrive', letter.shard, topic, key, to_topic, rate
        FROM outbox.dead_letter_event AS letter
        WHERE letter.state IN ('parked', 'redriving')
          AND (topic IS NULL OR letter.topic = topic) AND (key IS NULL OR letter.key = key);
    END IF;
    GET DIAGNOSTICS ordered = ROW_COUNT;
    RETURN CASE WHEN ordered > 0 THEN request END;
END $$;

-- Give parked events up: they are never published. Those that a redrive has in hand stay. What was
-- parked behind them stays parked. Returns how many those were.
CREATE FUNCTION outbox.discard(
    topic text DEFAULT NULL, key text DEFAULT NULL, event_id uuid DEFAULT NULL,
    everything boolean DEFAULT false
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    discarded bigint;
BEGIN
    IF NOT everything AND topic IS NULL AND event_id IS NULL OR key IS NOT NULL AND topic IS NULL THEN
        RAISE EXCEPTION 'outbox.discard() takes an event_id, a topic, a topic and a key, or everything'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF key IS NULL AND event_id IS NULL THEN
        PERFORM outbox.stop_parking(topic);
    END IF;
    UPDATE outbox.dead_letter_event AS letter
    SET state = 'discarded', decided_by = session_user, decided_at = clock_timestamp()
    WHERE letter.state = 'parked'
      AND (event_id IS NULL OR letter.event_id = event_id)
      AND (topic IS NULL OR letter.topic = topic) AND (key IS NULL OR letter.key = key);
    GET DIAGNOSTICS discarded = ROW_COUNT;
    RETURN discarded;
END $$;

-- Close what has a topic, or any topic (NULL), parked as a whole. Returns how many orders those were.
CREATE FUNCTION outbox.stop_parking(topic text DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    closed bigint;
BEGIN
    UPDATE outbox.dead_letter_order AS standing
    SET state = 'done', outcome = 'closed by ' || session_user, ended_at = clock_timestamp()
    WHERE standing.state = 'open' AND standing.action = 'park' AND standing.shard IS NULL
      AND (topic IS NULL OR standing.topic = topic);
    GET DIAGNOSTICS closed = ROW_COUNT;
    RETURN closed;
END $$;

REVOKE ALL ON FUNCTION outbox.find_waiting, outbox.park, outbox.redrive, outbox.discard,
    outbox.stop_parking FROM PUBLIC;
GRANT EXECUTE ON FUNCTION outbox.park, outbox.redrive, outbox.discard, outbox.stop_parking
    TO outbox_operator;

-- As in 0004, and a day with an open dead letter counts as unpublished: a row of the ledger is
-- committed before the position that passes its event, so that whoever sees the one sees the other.
CREATE OR REPLACE FUNCTION outbox.has_unpublished(day date) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    found_one boolean;
BEGIN
    EXECUTE format('SELECT EXISTS (
        SELECT FROM outbox.dead_letter_event
        WHERE created_at >= $1 AND created_at < $2 AND state IN (''parked'', ''redriving'')
    ) OR EXISTS (
        SELECT FROM generate_series(0, outbox.shard_count() - 1) AS shard (shard)
        LEFT JOIN outbox.position USING (shard)
        CROSS JOIN LATERAL (
            SELECT coalesce(position.upper, position.seen, ''1:1:'') AS snapshot
        ) AS border
        CROSS JOIN LATERAL (
            SELECT FROM (
                SELECT xid FROM outbox.%1$I AS event
                WHERE event.shard = shard.shard AND xid >= pg_snapshot_xmax(border.snapshot)
                UNION ALL
                SELECT xid FROM outbox.%1$I AS event
                WHERE event.shard = shard.shard
                  AND xid = ANY(ARRAY(SELECT pg_snapshot_xip(border.snapshot)))
                UNION ALL
                -- + 0: by the ids, of which few are left, and not by the shard.
                SELECT xid FROM outbox.%1$I AS event
                WHERE event.shard + 0 = shard.shard
                  AND id > position.cursor AND pg_visible_in_snapshot(xid, position.upper)
            ) AS beyond
            WHERE position.seen IS NULL OR NOT pg_visible_in_snapshot(xid, position.seen)
            LIMIT 1
        ) AS waiting
    )', 'event_' || to_char(day, 'YYYYMMDD'))
        INTO found_one
        USING day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC';
    RETURN found_one;
END $$;

-- As in 0013, without events that are open dead letters.
CREATE OR REPLACE FUNCTION outbox.purge_default(
    beyond bigint, before timestamptz, most bigint, OUT removed bigint, OUT highest bigint
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET jit = off
SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    WITH old AS (
        SELECT event.id, event.created_at FROM outbox.event_default AS event
        JOIN outbox.position USING (shard)
        WHERE event.id > beyond AND event.created_at < before
          AND (pg_visible_in_snapshot(event.xid, position.seen)
               OR (event.id <= position.cursor
                   AND pg_visible_in_snapshot(event.xid, position.upper)))
          AND NOT EXISTS (SELECT FROM outbox.dead_letter_event AS letter
                          WHERE letter.id = event.id AND letter.state IN ('parked', 'redriving'))
        ORDER BY event.id
        LIMIT most
    ), gone AS (
        DELETE FROM outbox.event_default AS event USING old
        WHERE event.id = old.id AND event.created_at = old.created_at
        RETURNING event.id, event.xid
    ), noted AS (
        INSERT INTO outbox.purged AS kept (id, xid)
        SELECT max(gone.id), max(gone.xid::text::bigint)::text::xid8 FROM gone HAVING count(*) > 0
        ON CONFLICT (one) DO UPDATE SET id = greatest(kept.id, excluded.id),
                                        xid = greatest(kept.xid, excluded.xid)
    )
    SELECT count(*), max(gone.id) INTO removed, highest FROM gone;
END $$;
