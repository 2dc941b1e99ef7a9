-- What became of commands that failed: a row for each failure, with its cause, for the end of the
-- attempts and for each retry that an operator asked for.
-- roles: outbox_relay, outbox_commands, outbox_purge, outbox_operator, outbox_reader

-- A table of its own: no writer reads it, and nothing is added to what every command costs. Without a
-- foreign key, which would cost each update of a command: purge removes both.
CREATE TABLE outbox.command_history (
    command_id uuid NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- failed: an attempt that counts. refused: a right is missing, which does not count. set_aside: the
    -- last attempt failed, and the command is rejected. retried: it is queued again, or due at once.
    what text NOT NULL CONSTRAINT command_history_what_is_known
        CHECK (what IN ('failed', 'refused', 'set_aside', 'retried')),
    -- Failures that were counted by then, this one included.
    attempt smallint NOT NULL,
    -- The worker, or the login that asked for the retry.
    written_by text NOT NULL,
    error_type text,
    error text,
    place text,
    CONSTRAINT command_history_pkey PRIMARY KEY (command_id, at)
);
CREATE INDEX command_history_set_aside_idx ON outbox.command_history (at) WHERE what = 'set_aside';

GRANT SELECT ON outbox.command_history TO outbox_commands, outbox_operator;
GRANT INSERT (command_id, what, attempt, written_by, error_type, error, place)
    ON outbox.command_history TO outbox_commands;
GRANT SELECT (command_id), DELETE ON outbox.command_history TO outbox_purge;

-- A command that was set aside is queued again, with a new number: behind what is queued of its key,
-- for later commands of the key have run, and a number that is finished never comes back
-- (commands/floors.py). One that waits for its next attempt is due at once, in its place. False where
-- it is neither (any more), or a worker has it in hand.
CREATE FUNCTION outbox.retry_command(id uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    kept record;
    last text;
BEGIN
    SELECT stored.status, stored.failures, stored.retry_at INTO kept
    FROM outbox.command AS stored WHERE stored.command_id = id FOR UPDATE SKIP LOCKED;
    SELECT entry.what INTO last FROM outbox.command_history AS entry
    WHERE entry.command_id = id ORDER BY entry.at DESC LIMIT 1;
    IF kept.status = 'rejected' AND last = 'set_aside' THEN
        UPDATE outbox.command AS stored
        SET status = 'queued', error = NULL, finished_at = NULL, failures = 0, retry_at = NULL,
            seq = DEFAULT
        WHERE stored.command_id = id;
    ELSIF kept.status = 'queued' AND (kept.failures > 0 OR kept.retry_at > clock_timestamp()) THEN
        UPDATE outbox.command AS stored SET failures = 0, retry_at = NULL
        WHERE stored.command_id = id;
    ELSE
        RETURN false;
    END IF;
    INSERT INTO outbox.command_history (command_id, what, attempt, written_by)
    VALUES (id, 'retried', kept.failures, session_user);
    RETURN true;
END $$;
REVOKE ALL ON FUNCTION outbox.retry_command FROM PUBLIC;
GRANT EXECUTE ON FUNCTION outbox.retry_command TO outbox_operator;

-- When purge last did all of its work: for `doctor`, and for who is to notice that it does not run.
CREATE TABLE outbox.last_purge (
    one boolean NOT NULL DEFAULT true CONSTRAINT last_purge_is_one_row CHECK (one),
    finished_at timestamptz NOT NULL,
    older_than_days integer NOT NULL,
    written_by text NOT NULL,
    CONSTRAINT last_purge_pkey PRIMARY KEY (one)
);
GRANT SELECT ON outbox.last_purge
    TO outbox_relay, outbox_commands, outbox_purge, outbox_operator, outbox_reader;
GRANT INSERT, UPDATE ON outbox.last_purge TO outbox_purge;
