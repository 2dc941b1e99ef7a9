-- The inbox of commands: a service asks for work in its own transaction; a worker
-- executes each command once, in order of insertion within its key.

CREATE TABLE outbox.command (
    command_id uuid NOT NULL DEFAULT gen_random_uuid(),
    -- Order of insertion: within a key the lowest queued one runs.
    seq bigint NOT NULL GENERATED ALWAYS AS IDENTITY (CACHE 1),
    type text NOT NULL
        CONSTRAINT command_type_is_short CHECK (char_length(type) BETWEEN 1 AND 100),
    -- In the order of its bytes: the claim walks from key to key over an index.
    key text COLLATE "C" NOT NULL
        CONSTRAINT command_key_is_short CHECK (char_length(key) BETWEEN 1 AND 255),
    actor text NOT NULL
        CONSTRAINT command_actor_is_short CHECK (char_length(actor) BETWEEN 1 AND 255),
    payload jsonb NOT NULL
        CONSTRAINT command_payload_is_an_object CHECK (status <> 'queued' OR jsonb_typeof(payload) = 'object')
        -- By its text: by its size in the row, a compressed one that is copied from another table
        -- may be of any length. Not of what is finished, so that no update reads the payload.
        CONSTRAINT command_payload_is_at_most_4_mb
        CHECK (status <> 'queued' OR octet_length(payload::text) <= 4194304),
    correlation_id uuid,
    status text NOT NULL DEFAULT 'queued',
    result jsonb,
    error jsonb,
    submitted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    -- Unexpected failures so far, and until when the command (and its key) waits.
    failures smallint NOT NULL DEFAULT 0,
    retry_at timestamptz,
    CONSTRAINT command_pkey PRIMARY KEY (command_id),
    -- One constraint for all of it: each costs every statement that writes a row 7 us.
    CONSTRAINT command_outcome_fits_its_status CHECK (CASE status
        WHEN 'queued' THEN result IS NULL AND error IS NULL AND finished_at IS NULL
        WHEN 'succeeded' THEN coalesce(jsonb_typeof(result) = 'object', false)
                              AND error IS NULL AND finished_at IS NOT NULL
        WHEN 'rejected' THEN coalesce(jsonb_typeof(error) = 'object', false)
                             AND result IS NULL AND finished_at IS NOT NULL
        ELSE false END)
) WITH (
    -- Every command is updated once: vacuum follows closely, so that the claim
    -- does not wade through entries of finished ones.
    fillfactor = 85, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0
);

CREATE INDEX command_queued_idx ON outbox.command (key, seq) WHERE status = 'queued';
CREATE INDEX command_finished_idx ON outbox.command (finished_at) WHERE finished_at IS NOT NULL;

-- submit(): one command in the caller's transaction. The same id with the same
-- content writes nothing; the correlation id is not content, for a retry may come
-- with a new one, and the first one stands.
CREATE FUNCTION outbox.submit(
    type text, key text, payload jsonb, actor text, command_id uuid DEFAULT NULL,
    correlation_id uuid DEFAULT NULL
) RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    id uuid := coalesce(submit.command_id, gen_random_uuid());
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
    -- A racing transaction with the same id is waited for here.
    LOOP
        INSERT INTO outbox.command AS stored (command_id, type, key, actor, payload, correlation_id)
        VALUES (id, submit.type, submit.key, submit.actor, submit.payload, submit.correlation_id)
        ON CONFLICT ON CONSTRAINT command_pkey DO NOTHING;
        IF FOUND THEN
            RETURN id;
        END IF;
        SELECT * INTO kept FROM outbox.command AS stored WHERE stored.command_id = id;
        -- Purged between the two statements: the id is free again.
        EXIT WHEN FOUND;
    END LOOP;
    IF (kept.type, kept.key, kept.actor, kept.payload)
        IS DISTINCT FROM (submit.type, submit.key COLLATE "C", submit.actor, submit.payload) THEN
        RAISE EXCEPTION 'COMMAND_ID_REUSED: command % is known with other content', id
            USING ERRCODE = 'OB001',
                  HINT = 'Draw a new command_id for each new request; repeat an id only to retry.';
    END IF;
    RETURN id;
END $$;

REVOKE ALL ON FUNCTION outbox.submit FROM PUBLIC;
GRANT EXECUTE ON FUNCTION outbox.submit TO outbox_writer;
GRANT INSERT (command_id, type, key, actor, payload, correlation_id)
    ON outbox.command TO outbox_writer;
-- A writer waits for the result by reading the row.
GRANT SELECT ON outbox.command TO outbox_writer, outbox_reader, outbox_worker;
GRANT UPDATE (status, result, error, finished_at, failures, retry_at)
    ON outbox.command TO outbox_worker;
GRANT DELETE ON outbox.command TO outbox_worker;
