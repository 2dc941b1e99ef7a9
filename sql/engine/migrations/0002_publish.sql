-- What writers call: one name for JSON, one for bytes. With two forms of one name, a driver that
-- asks the server for the type of a parameter is told another one than the writer means.

-- Bytes that are no JSON are not called so unless the writer does. The first byte tells most
-- others apart without the look at all of them. A default cannot see the payload, hence a trigger;
-- it does not run where a content type is given. Nothing is written in the inner block, so that
-- the subtransaction draws no xid. JSON is JSON whatever the encoding of
-- the database.
CREATE FUNCTION outbox.name_content() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.content_type := 'application/json';
    IF NEW.payload IS NULL THEN
        RETURN NEW;
    END IF;
    -- Blank, quotation mark, minus, digits, [, f, n, t, {.
    IF pg_catalog.length(NEW.payload) = 0 OR pg_catalog.get_byte(NEW.payload, 0) NOT IN (
        9, 10, 13, 32, 34, 45, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 91, 102, 110, 116, 123) THEN
        NEW.content_type := 'application/octet-stream';
        RETURN NEW;
    END IF;
    BEGIN
        PERFORM pg_catalog.convert_from(NEW.payload, 'UTF8')::pg_catalog.json;
    EXCEPTION
        WHEN untranslatable_character THEN
            -- It is UTF-8, which is looked at first. Whether it is JSON shows with an x for each
            -- byte beyond ASCII. "escape" doubles a backslash, and writes such bytes as one with
            -- three digits; U+0001 stands for the pair meanwhile, and is in no JSON.
            -- With E'' a writer's standard_conforming_strings does not matter.
            BEGIN
                PERFORM pg_catalog.replace(pg_catalog.regexp_replace(
                    pg_catalog.replace(pg_catalog.replace(
                        pg_catalog.encode(NEW.payload, 'escape'), E'\x01', E'\x02'),
                        E'\\\\', E'\x01'),
                    E'\\\\[0-7]{3}', 'x', 'g'), E'\x01', E'\\')::pg_catalog.json;
            EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
                NEW.content_type := 'application/octet-stream';
            END;
        WHEN data_exception OR program_limit_exceeded THEN
            NEW.content_type := 'application/octet-stream';
    END;
    RETURN NEW;
END $$;

CREATE TRIGGER name_content BEFORE INSERT ON outbox.event
    FOR EACH ROW WHEN (NEW.content_type IS NULL) EXECUTE FUNCTION outbox.name_content();

-- publish_bytes(): one event in the caller's transaction. It runs as its owner, so that a
-- writer needs the right to call it and no right on the table of keys.
CREATE FUNCTION outbox.publish_bytes(
    topic text, key text, type text, payload bytea, event_id uuid DEFAULT NULL,
    idempotency_key text DEFAULT NULL, headers jsonb DEFAULT NULL,
    content_type text DEFAULT NULL, schema_id uuid DEFAULT NULL
) RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    id uuid := coalesce(publish_bytes.event_id, gen_random_uuid());
    first_id uuid;
    kept_headers jsonb := nullif(publish_bytes.headers, 'null');
BEGIN
    IF publish_bytes.idempotency_key IS NOT NULL THEN
        -- A racing transaction with the same key is waited for here: if it commits,
        -- its id is returned, if it rolls back, this one writes.
        LOOP
            INSERT INTO outbox.idempotency_key AS kept (topic, key, event_id)
            VALUES (publish_bytes.topic, publish_bytes.idempotency_key, id)
            ON CONFLICT DO NOTHING;
            EXIT WHEN FOUND;
            SELECT kept.event_id INTO first_id FROM outbox.idempotency_key AS kept
            WHERE kept.topic = publish_bytes.topic AND kept.key = publish_bytes.idempotency_key;
            IF FOUND THEN
                RETURN first_id;
            END IF;
            -- Purged between the two statements: the key is free again.
        END LOOP;
        kept_headers := coalesce(kept_headers, '{}'::jsonb)
            || jsonb_build_object('idempotency-key', publish_bytes.idempotency_key);
    END IF;
    IF publish_bytes.schema_id IS NOT NULL THEN
        kept_headers := coalesce(kept_headers, '{}'::jsonb)
            || jsonb_build_object('__value_schema_id', publish_bytes.schema_id);
    END IF;
    INSERT INTO outbox.event (topic, key, type, payload, event_id, headers, content_type)
    VALUES (publish_bytes.topic, publish_bytes.key, publish_bytes.type, publish_bytes.payload, id,
            kept_headers, publish_bytes.content_type);
    RETURN id;
END $$;

-- publish(): the same for JSON. A string that holds an object or an array is what comes of JSON
-- that the program and its driver have encoded, one after the other: no reader expects it.
CREATE FUNCTION outbox.publish(
    topic text, key text, type text, payload jsonb, event_id uuid DEFAULT NULL,
    idempotency_key text DEFAULT NULL, headers jsonb DEFAULT NULL,
    content_type text DEFAULT 'application/json'
) RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    is_twice boolean := jsonb_typeof(publish.payload) = 'string'
        AND publish.payload #>> '{}' ~ '^[[:space:]]*[[{]';
BEGIN
    IF is_twice THEN
        BEGIN
            PERFORM (publish.payload #>> '{}')::json;
        EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
            is_twice := false;
        END;
    END IF;
    IF is_twice THEN
        RAISE EXCEPTION 'PAYLOAD_ENCODED_TWICE: the payload is a JSON string that holds JSON'
            USING ERRCODE = 'OB002',
                  DETAIL = 'The program made a text of its JSON, and the driver JSON of the text.',
                  HINT = 'Give the driver the object itself, or the text with a cast, '
                         'payload => $4::text::jsonb. A string that is meant goes out by publish_bytes.';
    END IF;
    RETURN outbox.publish_bytes(
        publish.topic, publish.key, publish.type, convert_to(publish.payload::text, 'UTF8'),
        publish.event_id, publish.idempotency_key, publish.headers,
        coalesce(publish.content_type, 'application/json'));
END $$;

REVOKE ALL ON FUNCTION outbox.publish, outbox.publish_bytes FROM PUBLIC;
GRANT EXECUTE ON FUNCTION outbox.publish, outbox.publish_bytes TO outbox_writer;
