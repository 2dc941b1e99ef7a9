CREATE SCHEMA outbox;
CREATE FUNCTION outbox.add_partition(day date) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    name text := 'event_' || to_char(day, 'YYYYMMDD');
    lower timestamptz := day::timestamp AT TIME ZONE 'UTC';
    upper timestamptz := (day + 1)::timestamp AT TIME ZONE 'UTC';
BEGIN
    IF to_regclass('outbox.' || name) IS NOT NULL THEN
        RETURN false;
    END IF;
    IF EXISTS (SELECT FROM outbox.event_default
               WHERE created_at >= lower AND created_at < upper) THEN
        RETURN NULL;
    END IF;
    -- ATTACH lets writers go on; CREATE ... PARTITION OF would lock them out.
    EXECUTE format('CREATE TABLE outbox.%I (LIKE outbox.event INCLUDING ALL)', name);
    EXECUTE format('ALTER TABLE outbox.event ATTACH PARTITION outbox.%I '
                   'FOR VALUES FROM (%L) TO (%L)', name, lower, upper);
    RETURN true;
END $$;
CREATE FUNCTION outbox.drop_partition(day date) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
    name text := 'event_' || to_char(day, 'YYYYMMDD');
    lower timestamptz := day::timestamp AT TIME ZONE 'UTC';
    upper timestamptz := (day + 1)::timestamp AT TIME ZONE 'UTC';
BEGIN
    EXECUTE format('LOCK TABLE ONLY outbox.event, outbox.%I IN ACCESS EXCLUSIVE MODE', name);
    IF outbox.has_unpublished(lower, upper) THEN
        RETURN false;
    END IF;
    EXECUTE format(
        'INSERT INTO outbox.purged AS kept (id, xid)
         SELECT id, xid FROM (SELECT id FROM outbox.%1$I ORDER BY id DESC LIMIT 1) AS a,
                             (SELECT xid FROM outbox.%1$I ORDER BY xid DESC LIMIT 1) AS b
         WHERE true
         ON CONFLICT (one) DO UPDATE SET id = greatest(kept.id, excluded.id),
                                         xid = greatest(kept.xid, excluded.xid)', name);
    EXECUTE format('DROP TABLE outbox.%I', name);
    RETURN true;
END $_$;
CREATE FUNCTION outbox.has_unpublished(lower timestamp with time zone, upper timestamp with time zone) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_custom_plan'
    AS $_$
    SELECT EXISTS (
        SELECT FROM generate_series(0, 15) AS shard (shard)
        LEFT JOIN outbox.position USING (shard)
        CROSS JOIN LATERAL (
            SELECT FROM (
                SELECT xid, id FROM outbox.event
                WHERE event.shard = shard.shard AND created_at >= $1 AND created_at < $2
                  AND xid >= coalesce(pg_snapshot_xmax(position.seen), '0'::xid8)
                UNION ALL
                SELECT xid, id FROM outbox.event
                WHERE event.shard = shard.shard AND created_at >= $1 AND created_at < $2
                  AND xid = ANY(ARRAY(SELECT pg_snapshot_xip(position.seen)))
            ) AS unseen
            WHERE NOT coalesce(id <= position.cursor
                               AND pg_visible_in_snapshot(xid, position.upper), false)
            LIMIT 1
        ) AS waiting
    )
$_$;
CREATE FUNCTION outbox.publish(topic text, key text, type text, payload bytea, event_id uuid DEFAULT NULL::uuid, idempotency_key text DEFAULT NULL::text, headers jsonb DEFAULT NULL::jsonb, content_type text DEFAULT 'application/json'::text) RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
CREATE FUNCTION outbox.publish(topic text, key text, type text, payload jsonb, event_id uuid DEFAULT NULL::uuid, idempotency_key text DEFAULT NULL::text, headers jsonb DEFAULT NULL::jsonb, content_type text DEFAULT 'application/json'::text) RETURNS uuid
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
    SELECT outbox.publish($1, $2, $3, convert_to($4::text, 'UTF8'), $5, $6, $7, $8)
$_$;
CREATE FUNCTION outbox.publish(topic text, key text, type text, payload text, event_id uuid DEFAULT NULL::uuid, idempotency_key text DEFAULT NULL::text, headers jsonb DEFAULT NULL::jsonb, content_type text DEFAULT 'application/json'::text) RETURNS uuid
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
    SELECT outbox.publish($1, $2, $3, $4::jsonb, $5, $6, $7, $8)
$_$;
CREATE SEQUENCE outbox.event_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
CREATE TABLE outbox.event (
    id bigint DEFAULT 
CASE
    WHEN (pg_current_xact_id() IS NOT NULL) THEN nextval('outbox.event_id_seq'::regclass)
    ELSE NULL::bigint
END NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    shard smallint GENERATED ALWAYS AS (((hashtextextended(COALESCE(key, (event_id)::text), (0)::bigint) & (15)::bigint))::smallint) STORED NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    event_id uuid DEFAULT gen_random_uuid() NOT NULL,
    topic text NOT NULL,
    key text,
    type text NOT NULL,
    headers jsonb,
    payload bytea,
    content_type text DEFAULT 'application/json'::text NOT NULL,
    CONSTRAINT event_content_type_is_not_empty CHECK ((content_type <> ''::text)),
    CONSTRAINT event_headers_are_an_object CHECK (((headers IS NULL) OR (jsonb_typeof(headers) = 'object'::text))),
    CONSTRAINT event_headers_leave_ours_alone CHECK (((headers IS NULL) OR (NOT (headers ?| ARRAY['ce_specversion'::text, 'ce_id'::text, 'ce_source'::text, 'ce_type'::text, 'ce_time'::text, 'ce_subject'::text, 'content-type'::text])))),
    CONSTRAINT event_topic_is_a_kafka_topic CHECK (((topic ~ '^[a-zA-Z0-9._-]{1,249}$'::text) AND (topic <> ALL (ARRAY['.'::text, '..'::text])))),
    CONSTRAINT event_type_is_not_empty CHECK ((type <> ''::text))
)
PARTITION BY RANGE (created_at);
CREATE TABLE outbox.event_default (
    id bigint DEFAULT 
CASE
    WHEN (pg_current_xact_id() IS NOT NULL) THEN nextval('outbox.event_id_seq'::regclass)
    ELSE NULL::bigint
END CONSTRAINT event_id_not_null NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() CONSTRAINT event_xid_not_null NOT NULL,
    shard smallint GENERATED ALWAYS AS (((hashtextextended(COALESCE(key, (event_id)::text), (0)::bigint) & (15)::bigint))::smallint) STORED CONSTRAINT event_shard_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() CONSTRAINT event_created_at_not_null NOT NULL,
    event_id uuid DEFAULT gen_random_uuid() CONSTRAINT event_event_id_not_null NOT NULL,
    topic text CONSTRAINT event_topic_not_null NOT NULL,
    key text,
    type text CONSTRAINT event_type_not_null NOT NULL,
    headers jsonb,
    payload bytea,
    content_type text DEFAULT 'application/json'::text CONSTRAINT event_content_type_not_null NOT NULL,
    CONSTRAINT event_content_type_is_not_empty CHECK ((content_type <> ''::text)),
    CONSTRAINT event_headers_are_an_object CHECK (((headers IS NULL) OR (jsonb_typeof(headers) = 'object'::text))),
    CONSTRAINT event_headers_leave_ours_alone CHECK (((headers IS NULL) OR (NOT (headers ?| ARRAY['ce_specversion'::text, 'ce_id'::text, 'ce_source'::text, 'ce_type'::text, 'ce_time'::text, 'ce_subject'::text, 'content-type'::text])))),
    CONSTRAINT event_topic_is_a_kafka_topic CHECK (((topic ~ '^[a-zA-Z0-9._-]{1,249}$'::text) AND (topic <> ALL (ARRAY['.'::text, '..'::text])))),
    CONSTRAINT event_type_is_not_empty CHECK ((type <> ''::text))
);
CREATE TABLE outbox.idempotency_key (
    topic text NOT NULL,
    key text NOT NULL,
    event_id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
CREATE TABLE outbox."position" (
    shard smallint NOT NULL,
    group_name text NOT NULL,
    batch bigint NOT NULL,
    "position" text NOT NULL,
    seen pg_snapshot NOT NULL,
    upper pg_snapshot,
    cursor bigint,
    floor bigint NOT NULL,
    worker text NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT position_shard_check CHECK (((shard >= 0) AND (shard <= 15)))
)
WITH (fillfactor='50');
CREATE VIEW outbox.lag AS
 WITH place AS (
         SELECT (shard.shard)::smallint AS shard,
            COALESCE("position".seen, '1:1:'::pg_snapshot) AS seen,
            "position".upper,
            "position".cursor,
            "position".updated_at,
            "position".worker
           FROM (generate_series(0, 15) shard(shard)
             LEFT JOIN outbox."position" USING (shard))
        ), bound AS (
         SELECT pg_snapshot_xmax(place_1.seen) AS xmax
           FROM place place_1
          ORDER BY (pg_snapshot_xmax(place_1.seen))
         LIMIT 1
        ), unseen AS (
         SELECT event.shard,
            event.xid,
            event.id,
            event.created_at
           FROM outbox.event
          WHERE (event.xid >= ( SELECT bound.xmax
                   FROM bound))
        UNION ALL
         SELECT event.shard,
            event.xid,
            event.id,
            event.created_at
           FROM outbox.event
          WHERE ((event.xid = ANY (ARRAY( SELECT pg_snapshot_xip(place_1.seen) AS pg_snapshot_xip
                   FROM place place_1))) AND (event.xid < ( SELECT bound.xmax
                   FROM bound)))
        ), waiting AS (
         SELECT unseen.shard,
            count(*) AS events,
            min(unseen.created_at) AS oldest
           FROM (unseen
             JOIN place place_1 USING (shard))
          WHERE ((NOT pg_visible_in_snapshot(unseen.xid, place_1.seen)) AND (NOT ((place_1.upper IS NOT NULL) AND (unseen.id <= place_1.cursor) AND pg_visible_in_snapshot(unseen.xid, place_1.upper))))
          GROUP BY unseen.shard
        )
 SELECT place.shard,
    COALESCE(waiting.events, (0)::bigint) AS events,
    (COALESCE(EXTRACT(epoch FROM (clock_timestamp() - waiting.oldest)), (0)::numeric))::double precision AS seconds,
    place.updated_at AS position_time,
    place.worker
   FROM (place
     LEFT JOIN waiting USING (shard));
CREATE TABLE outbox.migration (
    number integer NOT NULL,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
CREATE TABLE outbox.purged (
    one boolean DEFAULT true NOT NULL,
    id bigint NOT NULL,
    xid xid8 NOT NULL,
    CONSTRAINT purged_one_check CHECK (one)
);
ALTER TABLE ONLY outbox.event ATTACH PARTITION outbox.event_default DEFAULT;
ALTER TABLE ONLY outbox.event
    ADD CONSTRAINT event_pkey PRIMARY KEY (id, created_at);
ALTER TABLE ONLY outbox.event_default
    ADD CONSTRAINT event_default_pkey PRIMARY KEY (id, created_at);
ALTER TABLE ONLY outbox.idempotency_key
    ADD CONSTRAINT idempotency_key_pkey PRIMARY KEY (topic, key);
ALTER TABLE ONLY outbox.migration
    ADD CONSTRAINT migration_pkey PRIMARY KEY (number);
ALTER TABLE ONLY outbox."position"
    ADD CONSTRAINT position_pkey PRIMARY KEY (shard);
ALTER TABLE ONLY outbox.purged
    ADD CONSTRAINT purged_pkey PRIMARY KEY (one);
CREATE INDEX event_xid_shard_idx ON ONLY outbox.event USING btree (xid, shard);
CREATE INDEX event_default_xid_shard_idx ON outbox.event_default USING btree (xid, shard);
CREATE INDEX idempotency_key_created_at_idx ON outbox.idempotency_key USING btree (created_at);
ALTER INDEX outbox.event_pkey ATTACH PARTITION outbox.event_default_pkey;
ALTER INDEX outbox.event_xid_shard_idx ATTACH PARTITION outbox.event_default_xid_shard_idx;
GRANT USAGE ON SCHEMA outbox TO outbox_writer;
GRANT USAGE ON SCHEMA outbox TO outbox_worker;
GRANT USAGE ON SCHEMA outbox TO outbox_reader;
REVOKE ALL ON FUNCTION outbox.add_partition(day date) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.add_partition(day date) TO outbox_worker;
REVOKE ALL ON FUNCTION outbox.drop_partition(day date) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.drop_partition(day date) TO outbox_worker;
REVOKE ALL ON FUNCTION outbox.has_unpublished(lower timestamp with time zone, upper timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.has_unpublished(lower timestamp with time zone, upper timestamp with time zone) TO outbox_worker;
REVOKE ALL ON FUNCTION outbox.publish(topic text, key text, type text, payload bytea, event_id uuid, idempotency_key text, headers jsonb, content_type text) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.publish(topic text, key text, type text, payload bytea, event_id uuid, idempotency_key text, headers jsonb, content_type text) TO outbox_writer;
REVOKE ALL ON FUNCTION outbox.publish(topic text, key text, type text, payload jsonb, event_id uuid, idempotency_key text, headers jsonb, content_type text) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.publish(topic text, key text, type text, payload jsonb, event_id uuid, idempotency_key text, headers jsonb, content_type text) TO outbox_writer;
REVOKE ALL ON FUNCTION outbox.publish(topic text, key text, type text, payload text, event_id uuid, idempotency_key text, headers jsonb, content_type text) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.publish(topic text, key text, type text, payload text, event_id uuid, idempotency_key text, headers jsonb, content_type text) TO outbox_writer;
GRANT USAGE ON SEQUENCE outbox.event_id_seq TO outbox_writer;
GRANT SELECT ON TABLE outbox.event TO outbox_reader;
GRANT SELECT ON TABLE outbox.event TO outbox_worker;
GRANT INSERT(event_id) ON TABLE outbox.event TO outbox_writer;
GRANT INSERT(topic) ON TABLE outbox.event TO outbox_writer;
GRANT INSERT(key) ON TABLE outbox.event TO outbox_writer;
GRANT INSERT(type) ON TABLE outbox.event TO outbox_writer;
GRANT INSERT(headers) ON TABLE outbox.event TO outbox_writer;
GRANT INSERT(payload) ON TABLE outbox.event TO outbox_writer;
GRANT INSERT(content_type) ON TABLE outbox.event TO outbox_writer;
GRANT SELECT,DELETE ON TABLE outbox.event_default TO outbox_worker;
GRANT SELECT,DELETE ON TABLE outbox.idempotency_key TO outbox_worker;
GRANT SELECT ON TABLE outbox."position" TO outbox_reader;
GRANT SELECT,INSERT,UPDATE ON TABLE outbox."position" TO outbox_worker;
GRANT SELECT ON TABLE outbox.lag TO outbox_reader;
GRANT SELECT ON TABLE outbox.lag TO outbox_worker;
GRANT SELECT ON TABLE outbox.migration TO outbox_reader;
GRANT SELECT ON TABLE outbox.migration TO outbox_worker;
GRANT SELECT ON TABLE outbox.purged TO outbox_reader;
GRANT SELECT,INSERT,UPDATE ON TABLE outbox.purged TO outbox_worker;
