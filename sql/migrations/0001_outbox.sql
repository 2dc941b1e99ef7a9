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
