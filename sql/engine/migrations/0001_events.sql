-- The outbox: a log that happens to live in Postgres. Events are inserted and
-- never updated; what is published is a position, kept in Kafka.
-- roles: outbox_writer, outbox_worker, outbox_reader

-- A writer appends, a reader looks, a worker publishes and tidies up. The roles are made where
-- they are missing and we may; an administrator can make them before (CREATE ROLE outbox_writer
-- NOLOGIN; and so on) and grant them to logins.
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['outbox_writer', 'outbox_worker', 'outbox_reader'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            -- Roles belong to the cluster: another database may make it just now.
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;
            END;
        END IF;
    END LOOP;
END $$;

-- The number of shards, for all SQL that counts them. Fixed: ARCHITECTURE.md, Non-goals.
CREATE FUNCTION outbox.shard_count() RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN 16;

CREATE SEQUENCE outbox.event_id_seq AS bigint CACHE 1;

CREATE TABLE outbox.event (
    -- A row draws its id after its transaction has its xid: CASE guarantees the
    -- order of evaluation, and the floor of a backlog rests on it.
    id bigint NOT NULL DEFAULT CASE WHEN pg_current_xact_id() IS NOT NULL
                                    THEN nextval('outbox.event_id_seq') END,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    -- Events without a key have no order: they spread by their own id. 15 is
    -- outbox.shard_count() - 1: a function here would be planned anew for each INSERT.
    shard smallint NOT NULL GENERATED ALWAYS AS (
        (hashtextextended(coalesce(key, event_id::text), 0) & 15)::smallint) STORED,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    event_id uuid NOT NULL DEFAULT gen_random_uuid(),
    topic text NOT NULL
        -- No bound in the regular expression: with one, Postgres builds its automaton anew for
        -- each row (33 us for a topic of 26 characters).
        CONSTRAINT event_topic_is_a_kafka_topic
        CHECK (topic !~ '[^a-zA-Z0-9._-]' AND length(topic) BETWEEN 1 AND 249
               AND topic NOT IN ('.', '..'))
        -- An event is for subscribers. The workers' own topic must stay empty, Kafka refuses
        -- records for its internal ones, and takes no topic whose name differs from another's
        -- only by '.' and '_': each would hold a shard for ever.
        CONSTRAINT event_topic_is_not_internal
        CHECK (topic NOT IN ('outbox.shards', 'outbox_shards', '__consumer_offsets',
                             '__transaction_state', '__share_group_state',
                             '__cluster_metadata')),
    key text,
    type text NOT NULL CONSTRAINT event_type_is_not_empty CHECK (type <> ''),
    -- Headers that no CloudEvents SDK stumbles over, in a size that a record can carry. Most
    -- hold nothing that the two jsonpaths look for: the regular expressions before them save
    -- these rows three quarters of the cost.
    headers jsonb
        CONSTRAINT event_headers_are_an_object
        CHECK (headers IS NULL OR jsonb_typeof(headers) IN ('object', 'null'))
        -- Readers compare names without regard to case; `data` and `datacontenttype` mean the
        -- payload and `content-type` to the SDKs.
        CONSTRAINT event_headers_leave_ours_alone
        CHECK (headers::text !~* '"(ce_|content-)'
               OR NOT headers @? '$.keyvalue() ? (@.key like_regex
                   "^(ce_(specversion|id|source|type|time|subject|data|datacontenttype)|content-type)$"
                   flag "i")')
        CONSTRAINT event_headers_of_cloudevents_are_attributes
        CHECK (headers::text !~* '"ce_'
               OR NOT headers @? '$.keyvalue() ? (@.key like_regex "^ce_" flag "i"
                   && !(@.key like_regex "^ce_[a-z0-9]{1,20}$"
                        && @.value != null && @.value != ""))')
        CONSTRAINT event_headers_have_names CHECK (NOT headers ? '')
        CONSTRAINT event_headers_are_at_most_64_kb CHECK (octet_length(headers::text) <= 65536)
        CONSTRAINT event_headers_are_at_most_32_deep CHECK (NOT headers @? 'strict $.**{32}')
        -- Confluent's header form of a schema's id: the relay makes 17 bytes of it.
        CONSTRAINT event_headers_of_schemas_are_uuids
        CHECK (headers ->> '__key_schema_id' ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
               AND headers ->> '__value_schema_id'
                   ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'),
    payload bytea,
    -- Where it is not given, the trigger `name_content` gives one.
    content_type text NOT NULL
        CONSTRAINT event_content_type_is_not_empty CHECK (content_type <> '')
        -- It would say that the payload is the whole event (structured mode).
        CONSTRAINT event_content_type_is_not_of_cloudevents
        CHECK (content_type COLLATE "C" !~* '^[[:space:]]*application/cloudevents'),
    -- What a row was surely written after: every transaction below its horizon had ended.
    -- Of two events of a key that were written side by side neither is the first, whatever
    -- their ids; `verify` holds a topic to an order only where the horizon proves one.
    horizon xid8 DEFAULT pg_snapshot_xmin(pg_current_snapshot()),
    CONSTRAINT event_pkey PRIMARY KEY (id, created_at)
) PARTITION BY RANGE (created_at);

CREATE INDEX event_xid_shard_idx ON outbox.event (xid, shard);

-- No writer ever fails for want of a partition.
CREATE TABLE outbox.event_default PARTITION OF outbox.event DEFAULT;

-- Where each shard stands, as Kafka has it: written lazily, for views and purge,
-- and as a fallback when Kafka has forgotten the group. Kafka always wins.
CREATE TABLE outbox.position (
    shard smallint PRIMARY KEY CHECK (shard BETWEEN 0 AND outbox.shard_count() - 1),
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
    topic text NOT NULL
        CONSTRAINT idempotency_key_topic_is_short CHECK (octet_length(topic) <= 249),
    -- An entry of an index holds 2,704 bytes: more fails there, without a name. An empty key is
    -- one that the writer forgot: it would make one event of all.
    key text NOT NULL
        CONSTRAINT idempotency_key_is_short CHECK (octet_length(key) BETWEEN 1 AND 2400),
    event_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (topic, key)
);
CREATE INDEX idempotency_key_created_at_idx ON outbox.idempotency_key (created_at);

-- Which life of each topic the events went into. A topic that is deleted and made again has
-- another id; what it held before is gone, and is not lost by the relay.
CREATE TABLE outbox.topic (
    topic text PRIMARY KEY,
    topic_id text NOT NULL,
    made_again_at timestamptz
);

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA outbox FROM PUBLIC;
GRANT USAGE ON SCHEMA outbox TO outbox_writer, outbox_worker, outbox_reader;
GRANT EXECUTE ON FUNCTION outbox.shard_count TO outbox_writer, outbox_worker, outbox_reader;

-- Writers set their own columns only: never id, xid, shard, created_at or horizon.
GRANT INSERT (topic, key, type, payload, event_id, headers, content_type)
    ON outbox.event TO outbox_writer;
GRANT USAGE ON SEQUENCE outbox.event_id_seq TO outbox_writer;
-- INSERT ... RETURNING asks for the right to read the column, of every row. These are what the
-- database fills in, and say nothing of the events of others: no topic, key, type or payload.
GRANT SELECT (id, event_id, created_at, content_type) ON outbox.event TO outbox_writer;

GRANT SELECT ON outbox.event, outbox.position, outbox.purged, outbox.topic, outbox.migration
    TO outbox_reader;

GRANT SELECT ON ALL TABLES IN SCHEMA outbox TO outbox_worker;
GRANT INSERT, UPDATE ON outbox.position, outbox.purged, outbox.topic TO outbox_worker;
GRANT DELETE ON outbox.event_default, outbox.idempotency_key TO outbox_worker;
