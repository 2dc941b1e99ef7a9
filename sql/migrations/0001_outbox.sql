-- The outbox: a log that happens to live in Postgres. Events are inserted and
-- never updated; what is published is a position, kept in Kafka.

CREATE SEQUENCE outbox.event_id_seq AS bigint CACHE 1;

CREATE TABLE outbox.event (
    -- A row draws its id after its transaction has its xid: CASE guarantees the
    -- order of evaluation, and the floor of a backlog rests on it.
    id bigint NOT NULL DEFAULT CASE WHEN pg_current_xact_id() IS NOT NULL
                                    THEN nextval('outbox.event_id_seq') END,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    -- Events without a key have no order: they spread by their own id.
    shard smallint NOT NULL GENERATED ALWAYS AS (
        (hashtextextended(coalesce(key, event_id::text), 0) & 15)::smallint) STORED,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    event_id uuid NOT NULL DEFAULT gen_random_uuid(),
    topic text NOT NULL
        CONSTRAINT event_topic_is_a_kafka_topic
        CHECK (topic ~ '^[a-zA-Z0-9._-]{1,249}$' AND topic NOT IN ('.', '..')),
    key text,
    type text NOT NULL CONSTRAINT event_type_is_not_empty CHECK (type <> ''),
    headers jsonb
        CONSTRAINT event_headers_are_an_object
        CHECK (headers IS NULL OR jsonb_typeof(headers) = 'object')
        CONSTRAINT event_headers_leave_ours_alone
        CHECK (headers IS NULL OR NOT headers ?| ARRAY[
            'ce_specversion', 'ce_id', 'ce_source', 'ce_type', 'ce_time', 'ce_subject',
            'content-type']),
    payload bytea,
    content_type text NOT NULL DEFAULT 'application/json'
        CONSTRAINT event_content_type_is_not_empty CHECK (content_type <> ''),
    CONSTRAINT event_pkey PRIMARY KEY (id, created_at)
) PARTITION BY RANGE (created_at);

CREATE INDEX event_xid_shard_idx ON outbox.event (xid, shard);

-- No writer ever fails for want of a partition.
CREATE TABLE outbox.event_default PARTITION OF outbox.event DEFAULT;

-- Where each shard stands, as Kafka has it: written lazily, for views and purge,
-- and as a fallback when Kafka has forgotten the group. Kafka always wins.
CREATE TABLE outbox.position (
    shard smallint PRIMARY KEY CHECK (shard BETWEEN 0 AND 15),
    group_name text NOT NULL,
    batch bigint NOT NULL,
    position text NOT NULL,
    seen pg_snapshot NOT NULL,
    upper pg_snapshot,
    cursor bigint,
    floor bigint NOT NULL,
    worker text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);

-- The highest id and xid among the rows that purge dropped.
CREATE TABLE outbox.purged (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    id bigint NOT NULL,
    xid xid8 NOT NULL
);

-- Keys that writers gave to publish(); they outlive their events.
CREATE TABLE outbox.idempotency_key (
    topic text NOT NULL,
    key text NOT NULL,
    event_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (topic, key)
);
CREATE INDEX idempotency_key_created_at_idx ON outbox.idempotency_key (created_at);

-- publish(): one event in the caller's transaction. It runs as its owner, so that
-- a writer needs the right to call it and no right on the table of keys.
CREATE FUNCTION outbox.publish(
    topic text, key text, type text, payload bytea, event_id uuid DEFAULT NULL,
    idempotency_key text DEFAULT NULL, headers jsonb DEFAULT NULL,
    content_type text DEFAULT 'application/json'
) RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    id uuid := coalesce(publish.event_id, gen_random_uuid());
    first_id uuid;
    kept_headers jsonb := publish.headers;
BEGIN
    IF publish.idempotency_key IS NOT NULL THEN
        -- A racing transaction with the same key is waited for here: if it commits,
        -- its id is returned, if it rolls back, this one writes.
        LOOP
            INSERT INTO outbox.idempotency_key AS kept (topic, key, event_id)
            VALUES (publish.topic, publish.idempotency_key, id)
            ON CONFLICT DO NOTHING;
            EXIT WHEN FOUND;
            SELECT kept.event_id INTO first_id FROM outbox.idempotency_key AS kept
            WHERE kept.topic = publish.topic AND kept.key = publish.idempotency_key;
            IF FOUND THEN
                RETURN first_id;
            END IF;
            -- Purged between the two statements: the key is free again.
        END LOOP;
        kept_headers := coalesce(kept_headers, '{}'::jsonb)
            || jsonb_build_object('idempotency-key', publish.idempotency_key);
    END IF;
    INSERT INTO outbox.event (topic, key, type, payload, event_id, headers, content_type)
    VALUES (publish.topic, publish.key, publish.type, publish.payload, id, kept_headers,
            publish.content_type);
    RETURN id;
END $$;

CREATE FUNCTION outbox.publish(
    topic text, key text, type text, payload jsonb, event_id uuid DEFAULT NULL,
    idempotency_key text DEFAULT NULL, headers jsonb DEFAULT NULL,
    content_type text DEFAULT 'application/json'
) RETURNS uuid LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT outbox.publish($1, $2, $3, convert_to($4::text, 'UTF8'), $5, $6, $7, $8)
$$;

-- JSON as text: what an untyped literal, parameter or NULL becomes, which would
-- otherwise fit both forms above.
CREATE FUNCTION outbox.publish(
    topic text, key text, type text, payload text, event_id uuid DEFAULT NULL,
    idempotency_key text DEFAULT NULL, headers jsonb DEFAULT NULL,
    content_type text DEFAULT 'application/json'
) RETURNS uuid LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT outbox.publish($1, $2, $3, $4::jsonb, $5, $6, $7, $8)
$$;

-- By shard what is not published yet, as far as the mirror knows: one pass over the
-- rows that some shard has not seen.
CREATE VIEW outbox.lag AS
WITH place AS (
    SELECT shard.shard::smallint AS shard, coalesce(seen, '1:1:'::pg_snapshot) AS seen,
           upper, cursor, updated_at, worker
    FROM generate_series(0, 15) AS shard (shard) LEFT JOIN outbox.position USING (shard)
), bound AS (
    SELECT pg_snapshot_xmax(seen) AS xmax FROM place ORDER BY 1 LIMIT 1
), unseen AS (
    SELECT shard, xid, id, created_at FROM outbox.event
    WHERE xid >= (SELECT xmax FROM bound)
    UNION ALL
    SELECT shard, xid, id, created_at FROM outbox.event
    WHERE xid = ANY(ARRAY(SELECT pg_snapshot_xip(seen) FROM place))
      AND xid < (SELECT xmax FROM bound)
), waiting AS (
    SELECT shard, count(*) AS events, min(created_at) AS oldest
    FROM unseen JOIN place USING (shard)
    WHERE NOT pg_visible_in_snapshot(xid, seen)
      AND NOT (upper IS NOT NULL AND id <= cursor AND pg_visible_in_snapshot(xid, upper))
    GROUP BY shard
)
SELECT place.shard,
       coalesce(waiting.events, 0) AS events,
       coalesce(extract(epoch FROM clock_timestamp() - waiting.oldest), 0)::float8 AS seconds,
       place.updated_at AS position_time,
       place.worker
FROM place LEFT JOIN waiting USING (shard);
