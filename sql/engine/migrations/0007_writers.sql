-- Who wrote it: events, commands and idempotency keys carry the login (session_user) that wrote
-- them. The database sets it; no writer may. Rows from before have none (NULL).
-- roles: outbox_writer, outbox_worker, outbox_reader

-- Vacuum gives way (after deadlock_timeout, 1 s) before anybody waits. Then the locks that keep writers
-- waiting, in the order in which workers and publish() take them, and each for less than
-- deadlock_timeout: of a transaction that took them in another order and this one, this one gives up, and
-- `migrate` runs it again.
LOCK TABLE outbox.command, outbox.idempotency_key, outbox.event IN SHARE UPDATE EXCLUSIVE MODE;
SET LOCAL lock_timeout = '300ms';
LOCK TABLE outbox.command IN ACCESS EXCLUSIVE MODE;
LOCK TABLE outbox.idempotency_key IN ACCESS EXCLUSIVE MODE;
SET LOCAL lock_timeout = '900ms';
LOCK TABLE outbox.event IN ACCESS EXCLUSIVE MODE;

-- Two steps for each: a default in ADD COLUMN would name the owner as the writer of all old rows.
ALTER TABLE outbox.event ADD COLUMN writer text;
ALTER TABLE outbox.event ALTER COLUMN writer SET DEFAULT session_user;
ALTER TABLE outbox.command ADD COLUMN writer text;
ALTER TABLE outbox.command ALTER COLUMN writer SET DEFAULT session_user;

-- Keys from before: each holds for its topic, whoever calls. Purge empties this table.
ALTER TABLE outbox.idempotency_key RENAME TO unowned_idempotency_key;
ALTER INDEX outbox.idempotency_key_pkey RENAME TO unowned_idempotency_key_pkey;
ALTER INDEX outbox.idempotency_key_created_at_idx RENAME TO unowned_idempotency_key_created_at_idx;

-- Keys that writers gave to publish(); they outlive their events.
CREATE TABLE outbox.idempotency_key (
    writer text COLLATE "C" NOT NULL DEFAULT session_user,
    topic text COLLATE "C" NOT NULL
        CONSTRAINT idempotency_key_topic_is_short CHECK (octet_length(topic) <= 249),
    -- An entry of an index holds 2,704 bytes: more fails there, without a name. An empty key is
    -- one that the writer forgot: it would make one event of all.
    key text COLLATE "C" NOT NULL
        CONSTRAINT idempotency_key_is_short
        CHECK (octet_length(key) BETWEEN 1 AND 2400
               AND (octet_length(topic) > 249
                    OR octet_length(writer) + octet_length(topic) + octet_length(key) <= 2680)),
    event_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Of the content. It finds mistakes, not forgeries: nobody else can use the key.
    digest bytea,
    CONSTRAINT idempotency_key_pkey PRIMARY KEY (writer, topic, key)
);
CREATE INDEX idempotency_key_created_at_idx ON outbox.idempotency_key (created_at);
GRANT SELECT, DELETE ON outbox.idempotency_key TO outbox_worker;

-- A call that began before this migration and waited for it ends in the old publish_bytes(): it
-- gives no digest, and does not know of the keys from before. Only such rows come here.
CREATE FUNCTION outbox.refuse_known_key() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM outbox.unowned_idempotency_key AS kept
               WHERE kept.topic = NEW.topic AND kept.key = NEW.key)
       OR EXISTS (SELECT FROM outbox.idempotency_key AS kept
                  WHERE kept.writer = NEW.writer AND kept.topic = NEW.topic
                    AND kept.key = NEW.key) THEN
        RAISE EXCEPTION 'the schema was updated during this call'
            USING ERRCODE = 'serialization_failure', HINT = 'Run the transaction again.';
    END IF;
    RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION outbox.refuse_known_key FROM PUBLIC;
CREATE TRIGGER refuse_known_key BEFORE INSERT ON outbox.idempotency_key
    FOR EACH ROW WHEN (NEW.digest IS NULL) EXECUTE FUNCTION outbox.refuse_known_key();

CREATE OR REPLACE FUNCTION outbox.publish_bytes(
    topic text, key text, type text, payload bytea, event_id uuid DEFAULT NULL,
    idempotency_key text DEFAULT NULL, headers jsonb DEFAULT NULL,
    content_type text DEFAULT NULL, schema_id uuid DEFAULT NULL
) RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    id uuid := coalesce(publish_bytes.event_id, gen_random_uuid());
    kept_headers jsonb := nullif(publish_bytes.headers, 'null');
    digest bytea;
    given_timeout text;
    used integer;
    is_new boolean;
    first record;
BEGIN
    IF publish_bytes.schema_id IS NOT NULL THEN
        kept_headers := coalesce(kept_headers, '{}'::jsonb)
            || jsonb_build_object('__value_schema_id', publish_bytes.schema_id);
    END IF;
    IF publish_bytes.idempotency_key IS NOT NULL THEN
        -- A retry comes with the trace of its own attempt: these headers are no content.
        digest := substring(sha256(convert_to(ROW(
            publish_bytes.type, publish_bytes.key,
            coalesce(publish_bytes.content_type, 'application/json'),
            kept_headers - '{traceparent,tracestate,baggage,correlation-id}'::text[],
            publish_bytes.payload IS NULL)::text, 'UTF8')
            || coalesce(publish_bytes.payload, '')) FROM 1 FOR 8);
        given_timeout := current_setting('lock_timeout');
        used := coalesce(nullif(current_setting('outbox.keys_used', true), ''), '0')::integer;
        -- A racing transaction with the same key is waited for here: if it commits, its id is
        -- returned, if it rolls back, this one writes. The inner block costs a subtransaction with
        -- a xid of its own. More than 64 of these in one transaction slow all sessions down
        -- (their snapshots overflow): after 50 the error of a long wait is that of Postgres.
        LOOP
            IF given_timeout = '0' THEN
                PERFORM set_config('lock_timeout', '2s', true);
            END IF;
            IF used < 50 THEN
                PERFORM set_config('outbox.keys_used', (used + 1)::text, true);
                BEGIN
                    INSERT INTO outbox.idempotency_key (topic, key, event_id, digest)
                    SELECT publish_bytes.topic, publish_bytes.idempotency_key, id, digest
                    WHERE NOT EXISTS (
                        SELECT FROM outbox.unowned_idempotency_key AS kept
                        WHERE kept.topic = publish_bytes.topic
                          AND kept.key = publish_bytes.idempotency_key)
                    ON CONFLICT DO NOTHING;
                    is_new := FOUND;
                EXCEPTION WHEN lock_not_available THEN
                    RAISE EXCEPTION 'IDEMPOTENCY_KEY_IN_USE: another transaction that used the '
                        'idempotency key "%" for topic % has not ended',
                        left(publish_bytes.idempotency_key, 100), publish_bytes.topic
                        USING ERRCODE = 'lock_not_available',
                              DETAIL = 'Waited for ' || current_setting('lock_timeout')
                                  || ' (lock_timeout, or 2 s where that is 0).',
                              HINT = 'Run the transaction again: nothing was written.';
                END;
            ELSE
                INSERT INTO outbox.idempotency_key (topic, key, event_id, digest)
                SELECT publish_bytes.topic, publish_bytes.idempotency_key, id, digest
                WHERE NOT EXISTS (
                    SELECT FROM outbox.unowned_idempotency_key AS kept
                    WHERE kept.topic = publish_bytes.topic
                      AND kept.key = publish_bytes.idempotency_key)
                ON CONFLICT DO NOTHING;
                is_new := FOUND;
            END IF;
            IF given_timeout = '0' THEN
                PERFORM set_config('lock_timeout', '0', true);
            END IF;
            EXIT WHEN is_new;
            SELECT kept.event_id, kept.digest INTO first FROM outbox.idempotency_key AS kept
            WHERE kept.writer = session_user AND kept.topic = publish_bytes.topic
              AND kept.key = publish_bytes.idempotency_key;
            IF FOUND AND first.digest <> digest THEN
                RAISE EXCEPTION 'IDEMPOTENCY_KEY_REUSED: the idempotency key "%" of topic % is '
                    'known with other content',
                    left(publish_bytes.idempotency_key, 100), publish_bytes.topic
                    USING ERRCODE = 'OB004',
                          HINT = 'Give each new event a new idempotency key; repeat a key only with '
                                 'the same type, key, payload, headers and content type.';
            ELSIF FOUND THEN
                RETURN first.event_id;
            END IF;
            SELECT kept.event_id INTO first FROM outbox.unowned_idempotency_key AS kept
            WHERE kept.topic = publish_bytes.topic AND kept.key = publish_bytes.idempotency_key;
            IF FOUND THEN
                RETURN first.event_id;
            END IF;
            -- Purged between two statements: the key is free again.
        END LOOP;
        kept_headers := coalesce(kept_headers, '{}'::jsonb)
            || jsonb_build_object('idempotency-key', publish_bytes.idempotency_key);
    END IF;
    INSERT INTO outbox.event (topic, key, type, payload, event_id, headers, content_type)
    VALUES (publish_bytes.topic, publish_bytes.key, publish_bytes.type, publish_bytes.payload, id,
            kept_headers, publish_bytes.content_type);
    RETURN id;
END $$;

-- submit(): as before, and an id that another writer used is one with other content.
CREATE OR REPLACE FUNCTION outbox.submit(
    type text, key text, payload jsonb, actor text, command_id uuid DEFAULT NULL,
    correlation_id uuid DEFAULT NULL
) RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    id uuid := coalesce(submit.command_id, gen_random_uuid());
    given_timeout text := current_setting('lock_timeout');
    used integer := coalesce(nullif(current_setting('outbox.keys_used', true), ''), '0')::integer;
    is_new boolean;
    kept outbox.command;
BEGIN
    IF jsonb_typeof(submit.payload) <> 'object' THEN
        RAISE EXCEPTION 'PAYLOAD_IS_NO_OBJECT: the payload of a command is a JSON object, not %',
            CASE jsonb_typeof(submit.payload)
                WHEN 'string' THEN 'a string' WHEN 'array' THEN 'an array' WHEN 'null' THEN 'null'
                ELSE 'a ' || jsonb_typeof(submit.payload) END
            USING ERRCODE = 'OB003',
                  HINT = 'Give the driver the object itself, or its text with a cast, '
                         'payload => $3::text::jsonb: many drivers make a JSON string of a text.';
    END IF;
    IF submit.command_id IS NULL THEN
        INSERT INTO outbox.command (command_id, type, key, actor, payload, correlation_id)
        VALUES (id, submit.type, submit.key, submit.actor, submit.payload, submit.correlation_id);
        RETURN id;
    END IF;
    -- A racing transaction with the same id is waited for here; the inner block as in
    -- publish_bytes().
    LOOP
        IF given_timeout = '0' THEN
            PERFORM set_config('lock_timeout', '2s', true);
        END IF;
        IF used < 50 THEN
            PERFORM set_config('outbox.keys_used', (used + 1)::text, true);
            BEGIN
                INSERT INTO outbox.command (command_id, type, key, actor, payload, correlation_id)
                VALUES (id, submit.type, submit.key, submit.actor, submit.payload,
                        submit.correlation_id)
                ON CONFLICT ON CONSTRAINT command_pkey DO NOTHING;
                is_new := FOUND;
            EXCEPTION WHEN lock_not_available THEN
                RAISE EXCEPTION 'COMMAND_ID_IN_USE: another transaction that submitted command % '
                    'has not ended', id
                    USING ERRCODE = 'lock_not_available',
                          DETAIL = 'Waited for ' || current_setting('lock_timeout')
                              || ' (lock_timeout, or 2 s where that is 0).',
                          HINT = 'Run the transaction again: nothing was written.';
            END;
        ELSE
            INSERT INTO outbox.command (command_id, type, key, actor, payload, correlation_id)
            VALUES (id, submit.type, submit.key, submit.actor, submit.payload,
                    submit.correlation_id)
            ON CONFLICT ON CONSTRAINT command_pkey DO NOTHING;
            is_new := FOUND;
        END IF;
        IF given_timeout = '0' THEN
            PERFORM set_config('lock_timeout', '0', true);
        END IF;
        IF is_new THEN
            RETURN id;
        END IF;
        SELECT * INTO kept FROM outbox.command AS stored WHERE stored.command_id = id;
        -- Purged between the two statements: the id is free again.
        EXIT WHEN FOUND;
    END LOOP;
    IF coalesce(kept.writer, session_user) <> session_user
       OR (kept.type, kept.key, kept.actor, kept.payload)
          IS DISTINCT FROM (submit.type, submit.key COLLATE "C", submit.actor, submit.payload) THEN
        RAISE EXCEPTION 'COMMAND_ID_REUSED: command % is known with other content', id
            USING ERRCODE = 'OB001',
                  HINT = 'Draw a new command_id for each new request; repeat an id only to retry.';
    END IF;
    RETURN id;
END $$;

-- A writer reads its own commands. Commands from before have no writer: all writers read them, as
-- before, until purge removes them. Whoever is no writer reads what it was granted.
ALTER TABLE outbox.command ENABLE ROW LEVEL SECURITY;
CREATE POLICY writer_reads_own ON outbox.command FOR SELECT TO outbox_writer
    USING (writer = session_user OR writer IS NULL);
CREATE POLICY writer_adds ON outbox.command FOR INSERT TO outbox_writer WITH CHECK (true);
CREATE POLICY worker_has_all ON outbox.command TO outbox_worker USING (true) WITH CHECK (true);
CREATE POLICY reader_reads_all ON outbox.command FOR SELECT TO outbox_reader USING (true);
CREATE POLICY others_have_what_was_granted ON outbox.command
    USING (NOT pg_has_role(current_user, 'outbox_writer', 'usage'))
    WITH CHECK (NOT pg_has_role(current_user, 'outbox_writer', 'usage'));

-- Kafka keeps names that begin with two underscores for itself.
ALTER TABLE outbox.event
    DROP CONSTRAINT event_topic_is_not_internal,
    ADD CONSTRAINT event_topic_is_not_internal
    CHECK (topic NOT IN ('outbox.shards', 'outbox_shards')
           AND (writer IS NULL OR NOT starts_with(topic, '__'))) NOT VALID;
