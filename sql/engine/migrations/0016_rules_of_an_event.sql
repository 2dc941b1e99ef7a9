-- The rules of an event, asked in one place. Postgres reads and plans a constraint anew for each
-- statement that writes a row: the eleven of outbox.event took half of the server's time for a plain
-- insert. One trigger now calls a function, which is compiled once a session, for rows that are not
-- plainly right. An error names its rule as it named the constraint.
-- roles: outbox_worker, outbox_reader

-- As in 0007.
LOCK TABLE outbox.idempotency_key, outbox.event IN SHARE UPDATE EXCLUSIVE MODE;
SET LOCAL lock_timeout = '300ms';
LOCK TABLE outbox.idempotency_key IN ACCESS EXCLUSIVE MODE;
SET LOCAL lock_timeout = '900ms';
LOCK TABLE outbox.event IN ACCESS EXCLUSIVE MODE;

-- Bounds that the owner of the schema may raise; NULL is none (docs/operations.md, Bounds).
CREATE TABLE outbox.bound (
    rule text PRIMARY KEY,
    -- Rows within these are not looked at: the trigger's WHEN, below.
    bytes integer CONSTRAINT bound_is_raised CHECK (bytes >= CASE rule
        WHEN 'event_fits_a_record' THEN 1047552
        WHEN 'event_type_is_short' THEN 255
        WHEN 'event_headers_are_bounded' THEN 65536 END)
);
GRANT SELECT ON outbox.bound TO outbox_worker, outbox_reader;

-- A topic takes 1,048,588 bytes by default (max.message.bytes). 61 of them frame the batch, and 975
-- are left for the worker's own headers, of which OUTBOX_SOURCE and the content type have no
-- fixed length. A constraint that the owner has replaced or dropped stays so, and the rule is off.
DO $$
DECLARE
    bound record;
    is_ours boolean;
BEGIN
    FOR bound IN SELECT * FROM (VALUES
        ('event_fits_a_record', 1047552), ('event_type_is_short', 255),
        ('event_headers_are_bounded', 65536)) AS given (rule, bytes) LOOP
        SELECT strpos(pg_get_constraintdef(oid), '<= ' || bound.bytes || ')') > 0 INTO is_ours
        FROM pg_constraint WHERE conrelid = 'outbox.event'::regclass AND conname = bound.rule;
        IF is_ours THEN
            EXECUTE format('ALTER TABLE outbox.event DROP CONSTRAINT %I', bound.rule);
        END IF;
        INSERT INTO outbox.bound VALUES (bound.rule, CASE WHEN is_ours THEN bound.bytes END);
    END LOOP;
END $$;

ALTER TABLE outbox.event
    DROP CONSTRAINT event_topic_is_a_kafka_topic,
    DROP CONSTRAINT event_topic_is_not_internal,
    DROP CONSTRAINT event_content_type_is_not_empty,
    DROP CONSTRAINT event_content_type_is_not_of_cloudevents,
    DROP CONSTRAINT event_headers_are_an_object,
    DROP CONSTRAINT event_headers_leave_ours_alone,
    DROP CONSTRAINT event_headers_of_cloudevents_are_attributes,
    DROP CONSTRAINT event_headers_of_schemas_are_uuids;

-- Refuses a topic that the writer has no right to, and the event by the name of the first rule that it
-- breaks. An update is checked as well, where it changes what a writer wrote.
CREATE FUNCTION outbox.validate_event() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    header_text text;
    size integer;
    rule text;
BEGIN
    IF TG_OP = 'INSERT' AND NOT has_table_privilege(session_user, 'outbox.all_topics', 'REFERENCES')
    THEN
        IF NOT EXISTS (SELECT FROM outbox.topic_right AS granted
                       WHERE NEW.topic LIKE granted.topic_like
                         AND pg_has_role(session_user, granted.role, 'member'))
            AND EXISTS (SELECT FROM outbox.topic_right)
            AND outbox.needs_right(TG_RELID) THEN
            RAISE EXCEPTION 'TOPIC_NOT_GRANTED: % may not write to topic %', session_user, NEW.topic
                USING ERRCODE = 'insufficient_privilege',
                      HINT = format('The owner of the schema can grant it: '
                                    'outbox-worker grant %I --topic %s', session_user, NEW.topic);
        END IF;
        -- Most rows are here for their right alone: what the trigger's WHEN lets pass.
        IF NEW.content_type = 'application/json'
            AND octet_length(NEW.topic) BETWEEN 1 AND 249
            AND NEW.topic !~ '[^a-zA-Z0-9._-]|^[^a-zA-Z]|^outbox'
            AND octet_length(NEW.type) BETWEEN 1 AND 255
            AND (NEW.key IS NULL OR octet_length(NEW.key) <= 10000)
            AND (NEW.payload IS NULL OR octet_length(NEW.payload) <= 900000)
            AND NEW.headers IS NULL THEN
            RETURN NEW;
        END IF;
    END IF;
    header_text := NEW.headers::text;
    -- No bound in a regular expression: with one, Postgres builds its automaton anew for each row.
    IF NEW.topic ~ '[^a-zA-Z0-9._-]' OR length(NEW.topic) NOT BETWEEN 1 AND 249
        OR NEW.topic IN ('.', '..') THEN
        rule := 'event_topic_is_a_kafka_topic';
    -- An event is for subscribers. The workers' own topic must stay empty; Kafka keeps names that
    -- begin with two underscores for itself, and takes no topic whose name differs from another's
    -- only by '.' and '_': each would hold a shard for ever.
    ELSIF NEW.topic IN ('outbox.shards', 'outbox_shards')
        OR NEW.writer IS NOT NULL AND starts_with(NEW.topic, '__') THEN
        rule := 'event_topic_is_not_internal';
    ELSIF NEW.type = '' THEN
        rule := 'event_type_is_short';
    ELSIF NEW.content_type = '' THEN
        rule := 'event_content_type_is_not_empty';
    -- It would say that the payload is the whole event (structured mode).
    ELSIF NEW.content_type COLLATE "C" ~* '^[[:space:]]*application/cloudevents' THEN
        rule := 'event_content_type_is_not_of_cloudevents';
    ELSIF jsonb_typeof(NEW.headers) NOT IN ('object', 'null') OR NEW.headers ? '' THEN
        rule := 'event_headers_are_an_object';
    -- Headers that no CloudEvents SDK stumbles over. Readers compare names without regard to case;
    -- `data` and `datacontenttype` mean the payload and `content-type` to the SDKs. Most headers hold
    -- nothing that the two jsonpaths look for.
    ELSIF header_text ~* '"(ce_|content-)' AND NEW.headers @? '$.keyvalue() ? (@.key like_regex
            "^(ce_(specversion|id|source|type|time|subject|data|datacontenttype)|content-type)$"
            flag "i")' THEN
        rule := 'event_headers_leave_ours_alone';
    ELSIF header_text ~* '"ce_' AND NEW.headers @? '$.keyvalue() ? (@.key like_regex "^ce_" flag "i"
            && !(@.key like_regex "^ce_[a-z0-9]{1,20}$" && @.value != null && @.value != ""))' THEN
        rule := 'event_headers_of_cloudevents_are_attributes';
    -- Confluent's header form of a schema's id: the relay makes 17 bytes of it.
    ELSIF NEW.headers ->> '__key_schema_id' !~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
        OR NEW.headers ->> '__value_schema_id' !~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN
        rule := 'event_headers_of_schemas_are_uuids';
    ELSIF header_text ~ '[[{].*[[{]' AND NEW.headers @? 'strict $.**{32}' THEN
        rule := 'event_headers_are_bounded';
    -- Rows from before the bounds have no writer.
    ELSIF NEW.writer IS NOT NULL THEN
        -- concat() takes NULL for nothing. The key goes out twice, also as `ce_subject`. Headers are
        -- longer as text than in the record.
        size := octet_length(concat(NEW.key, NEW.key, NEW.type, header_text))
            + coalesce(octet_length(NEW.payload), 0);
        IF size > 1047552 OR octet_length(NEW.type) > 255 OR octet_length(header_text) > 65536 THEN
            SELECT bound.rule INTO rule FROM outbox.bound
            WHERE bound.bytes < CASE bound.rule
                WHEN 'event_fits_a_record' THEN size
                WHEN 'event_type_is_short' THEN octet_length(NEW.type)
                WHEN 'event_headers_are_bounded' THEN octet_length(header_text) END
            ORDER BY bound.rule DESC LIMIT 1;
        END IF;
    END IF;
    IF rule IS NOT NULL THEN
        RAISE EXCEPTION 'new row for relation "event" violates check constraint "%"', rule
            USING ERRCODE = 'check_violation', CONSTRAINT = rule, SCHEMA = 'outbox', TABLE = 'event';
    END IF;
    RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION outbox.validate_event FROM PUBLIC;

-- What is plainly right is not looked at: a row of an insert of many takes 10 us in all. IS NOT TRUE:
-- NULL is looked at. In the order of their names the trigger `name_content` comes first.
DROP TRIGGER check_topic_right ON outbox.event;
DROP FUNCTION outbox.check_topic_right();
CREATE TRIGGER validate_event
    BEFORE INSERT OR UPDATE OF topic, key, type, headers, payload, content_type ON outbox.event
    FOR EACH ROW WHEN ((
        NEW.content_type = 'application/json'
        AND octet_length(NEW.topic) BETWEEN 1 AND 249
        AND NEW.topic !~ '[^a-zA-Z0-9._-]|^[^a-zA-Z]|^outbox'
        AND octet_length(NEW.type) BETWEEN 1 AND 255
        AND (NEW.key IS NULL OR octet_length(NEW.key) <= 10000)
        AND (NEW.payload IS NULL OR octet_length(NEW.payload) <= 900000)
        AND (NEW.headers IS NULL
             OR octet_length(NEW.headers::text) <= 65536
             AND NEW.headers::text !~* '"(ce_|content-|__|")|[[{].*[[{]|^[^{]')
        AND has_table_privilege(session_user, 'outbox.all_topics'::regclass::oid, 'REFERENCES')
    ) IS NOT TRUE)
    EXECUTE FUNCTION outbox.validate_event();

-- A call that began before keys belonged to writers and waited for that migration ends in the old
-- publish_bytes(). It gives no digest, and does not know of the keys from before.
CREATE FUNCTION outbox.refuse_old_call() RETURNS bytea
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'the schema was updated during this call'
        USING ERRCODE = 'serialization_failure', HINT = 'Run the transaction again.';
END $$;
REVOKE ALL ON FUNCTION outbox.refuse_old_call FROM PUBLIC;
DROP TRIGGER refuse_known_key ON outbox.idempotency_key;
DROP FUNCTION outbox.refuse_known_key();
ALTER TABLE outbox.idempotency_key
    ALTER COLUMN digest SET DEFAULT outbox.refuse_old_call(),
    -- publish_bytes() alone writes here: it asks these rules itself.
    DROP CONSTRAINT idempotency_key_topic_is_short,
    DROP CONSTRAINT idempotency_key_is_short;

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
    ignored text;
    is_new boolean;
    first record;
BEGIN
    IF publish_bytes.schema_id IS NOT NULL THEN
        kept_headers := coalesce(kept_headers, '{}'::jsonb)
            || jsonb_build_object('__value_schema_id', publish_bytes.schema_id);
    END IF;
    IF publish_bytes.idempotency_key IS NOT NULL THEN
        -- An entry of an index holds 2,704 bytes: more fails there, without a name. An empty key is
        -- one that the writer forgot: it would make one event of all.
        IF octet_length(publish_bytes.topic) > 249 THEN
            RAISE EXCEPTION 'new row for relation "event" violates check constraint "%"',
                'event_topic_is_a_kafka_topic'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'event_topic_is_a_kafka_topic',
                      SCHEMA = 'outbox', TABLE = 'event';
        ELSIF octet_length(publish_bytes.idempotency_key) NOT BETWEEN 1 AND 2400
            OR octet_length(session_user) + octet_length(publish_bytes.topic)
               + octet_length(publish_bytes.idempotency_key) > 2680 THEN
            RAISE EXCEPTION 'new row for relation "idempotency_key" violates check constraint "%"',
                'idempotency_key_is_short'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'idempotency_key_is_short',
                      SCHEMA = 'outbox', TABLE = 'idempotency_key';
        END IF;
        -- Nobody adds to the keys from before. Once purge and vacuum have left no page of them, a session
        -- looks once; one that sets this itself repeats its own events.
        IF current_setting('outbox.unowned_keys', true) IS DISTINCT FROM 'gone' THEN
            IF pg_relation_size('outbox.unowned_idempotency_key', 'main') = 0 THEN
                ignored := set_config('outbox.unowned_keys', 'gone', false);
            ELSE
                SELECT kept.event_id INTO first FROM outbox.unowned_idempotency_key AS kept
                WHERE kept.topic = publish_bytes.topic AND kept.key = publish_bytes.idempotency_key;
                IF FOUND THEN
                    RETURN first.event_id;
                END IF;
            END IF;
        END IF;
        -- A retry comes with the trace of its own attempt: these headers are no content.
        digest := substring(sha256(convert_to(ROW(
            publish_bytes.type, publish_bytes.key,
            coalesce(publish_bytes.content_type, 'application/json'),
            kept_headers - '{traceparent,tracestate,baggage,correlation-id}'::text[],
            publish_bytes.payload IS NULL)::text, 'UTF8')
            || coalesce(publish_bytes.payload, '')) FROM 1 FOR 8);
        given_timeout := current_setting('lock_timeout');
        -- A racing transaction with the same key is waited for here: if it commits, its id is
        -- returned, if it rolls back, this one writes. Each key has one of 128 advisory locks, held until
        -- the transaction ends. A call that gets it at once races with nobody. One that does not
        -- (another key may have the same lock) writes in an inner block, which gives the error of a
        -- long wait its words, and costs a subtransaction with a xid of its own. More than 64 of
        -- these in one transaction slow all sessions down (their snapshots overflow): after 50 the
        -- error is that of Postgres.
        LOOP
            IF given_timeout = '0' THEN
                ignored := set_config('lock_timeout', '2s', true);
            END IF;
            IF pg_try_advisory_xact_lock(hashtext('outbox-worker idempotency keys'), hashtext(concat(
                    session_user, ' ', publish_bytes.topic, ' ', publish_bytes.idempotency_key)) & 127)
                OR coalesce(nullif(current_setting('outbox.keys_used', true), ''), '0')::integer >= 50 THEN
                INSERT INTO outbox.idempotency_key (topic, key, event_id, digest)
                VALUES (publish_bytes.topic, publish_bytes.idempotency_key, id, digest)
                ON CONFLICT DO NOTHING;
                is_new := FOUND;
            ELSE
                ignored := set_config('outbox.keys_used', (1 + coalesce(nullif(
                    current_setting('outbox.keys_used', true), ''), '0')::integer)::text, true);
                BEGIN
                    INSERT INTO outbox.idempotency_key (topic, key, event_id, digest)
                    VALUES (publish_bytes.topic, publish_bytes.idempotency_key, id, digest)
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
            END IF;
            IF given_timeout = '0' THEN
                ignored := set_config('lock_timeout', '0', true);
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
            -- Purged between the two statements: the key is free again.
        END LOOP;
        kept_headers := coalesce(kept_headers, '{}'::jsonb)
            || jsonb_build_object('idempotency-key', publish_bytes.idempotency_key);
    END IF;
    INSERT INTO outbox.event (topic, key, type, payload, event_id, headers, content_type)
    VALUES (publish_bytes.topic, publish_bytes.key, publish_bytes.type, publish_bytes.payload, id,
            kept_headers, publish_bytes.content_type);
    RETURN id;
END $$;
