-- What a role may write. The owner of the schema fills these two tables, by SQL or by
-- `outbox-worker grant`. Nothing filled: every writer may write everything.
-- roles: outbox_writer, outbox_worker, outbox_reader

-- `*` stands for any characters, also none; everything else stands for itself.
CREATE FUNCTION outbox.as_like(pattern text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN replace(replace(replace(replace(pattern, E'\\', E'\\\\'), '%', E'\\%'), '_', E'\\_'),
               '*', '%');

-- A login may write to a topic if it is a member of a role with a pattern that fits.
CREATE TABLE outbox.topic_right (
    role regrole NOT NULL,
    topic text NOT NULL CONSTRAINT topic_right_topic_is_not_empty CHECK (topic <> ''),
    topic_like text NOT NULL GENERATED ALWAYS AS (outbox.as_like(topic)) STORED,
    PRIMARY KEY (role, topic)
);

-- And submit a command if type and actor both fit.
CREATE TABLE outbox.command_right (
    role regrole NOT NULL,
    type text NOT NULL CONSTRAINT command_right_type_is_not_empty CHECK (type <> ''),
    actor text NOT NULL DEFAULT '*'
        CONSTRAINT command_right_actor_is_not_empty CHECK (actor <> ''),
    type_like text NOT NULL GENERATED ALWAYS AS (outbox.as_like(type)) STORED,
    actor_like text NOT NULL GENERATED ALWAYS AS (outbox.as_like(actor)) STORED,
    PRIMARY KEY (role, type, actor)
);

GRANT SELECT ON outbox.topic_right, outbox.command_right TO outbox_reader, outbox_worker;

-- Workers publish everything anyhow, and write the events of all commands: they need no right, nor
-- does the owner (or a superuser).
CREATE FUNCTION outbox.needs_right(relation regclass) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN NOT pg_has_role(session_user, 'outbox_worker', 'member')
   AND NOT pg_has_role(session_user, (SELECT relowner FROM pg_class WHERE oid = relation), 'member');

CREATE FUNCTION outbox.check_topic_right() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
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
    RETURN NEW;
END $$;

CREATE FUNCTION outbox.check_command_right() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM outbox.command_right AS granted
                   WHERE NEW.type LIKE granted.type_like AND NEW.actor LIKE granted.actor_like
                     AND pg_has_role(session_user, granted.role, 'member'))
       AND EXISTS (SELECT FROM outbox.command_right)
       AND outbox.needs_right(TG_RELID) THEN
        RAISE EXCEPTION 'COMMAND_NOT_GRANTED: % may not submit % for actor %',
            session_user, NEW.type, NEW.actor
            USING ERRCODE = 'insufficient_privilege',
                  HINT = format('The owner of the schema can grant it: '
                                'outbox-worker grant %I --command %s --actor ACTOR',
                                session_user, NEW.type);
    END IF;
    RETURN NEW;
END $$;

-- While a table of rights is empty, the right REFERENCES on its mark below lets a login pass without
-- a call of the trigger's function, which costs 5 us for each row. It belongs to workers
-- always, and to writers while nothing is filled. (REFERENCES: no GRANT SELECT ON ALL TABLES
-- gives it, and nothing else can be done with it on a view.)
CREATE VIEW outbox.all_topics AS SELECT true AS allowed;
CREATE VIEW outbox.all_commands AS SELECT true AS allowed;
GRANT REFERENCES ON outbox.all_topics, outbox.all_commands TO outbox_writer, outbox_worker;

CREATE FUNCTION outbox.mark_rights() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    mark text := replace(TG_TABLE_NAME, '_right', 's');
    is_filled boolean;
BEGIN
    IF TG_WHEN = 'BEFORE' THEN
        -- One after the other: each must see what the one before has left.
        PERFORM pg_advisory_xact_lock(hashtextextended('outbox-worker rights', 0));
        IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted')
        THEN
            RAISE EXCEPTION 'rights are changed in READ COMMITTED only, this is %',
                upper(current_setting('transaction_isolation'))
                USING ERRCODE = 'invalid_transaction_state',
                      HINT = 'SET default_transaction_isolation = ''read committed''.';
        END IF;
        RETURN NULL;
    END IF;
    EXECUTE format('SELECT EXISTS (SELECT FROM outbox.%I)', TG_TABLE_NAME) INTO is_filled;
    IF is_filled = has_table_privilege('outbox_writer', 'outbox.all_' || mark, 'REFERENCES') THEN
        EXECUTE format(CASE WHEN is_filled THEN 'REVOKE REFERENCES ON outbox.all_%s FROM outbox_writer'
                            ELSE 'GRANT REFERENCES ON outbox.all_%s TO outbox_writer' END, mark);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER wait_for_others BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE
    ON outbox.topic_right EXECUTE FUNCTION outbox.mark_rights();
CREATE TRIGGER mark_rights AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE
    ON outbox.topic_right EXECUTE FUNCTION outbox.mark_rights();
CREATE TRIGGER wait_for_others BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE
    ON outbox.command_right EXECUTE FUNCTION outbox.mark_rights();
CREATE TRIGGER mark_rights AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE
    ON outbox.command_right EXECUTE FUNCTION outbox.mark_rights();

-- As in 0007.
LOCK TABLE outbox.command, outbox.event IN SHARE UPDATE EXCLUSIVE MODE;
SET LOCAL lock_timeout = '300ms';
LOCK TABLE outbox.command IN SHARE ROW EXCLUSIVE MODE;
SET LOCAL lock_timeout = '900ms';
LOCK TABLE outbox.event IN SHARE ROW EXCLUSIVE MODE;

CREATE TRIGGER check_topic_right BEFORE INSERT ON outbox.event FOR EACH ROW
    WHEN (NOT has_table_privilege(session_user, 'outbox.all_topics'::regclass::oid, 'REFERENCES'))
    EXECUTE FUNCTION outbox.check_topic_right();
CREATE TRIGGER check_command_right BEFORE INSERT ON outbox.command FOR EACH ROW
    WHEN (NOT has_table_privilege(session_user, 'outbox.all_commands'::regclass::oid, 'REFERENCES'))
    EXECUTE FUNCTION outbox.check_command_right();

REVOKE ALL ON FUNCTION outbox.as_like, outbox.needs_right, outbox.check_topic_right,
    outbox.check_command_right, outbox.mark_rights FROM PUBLIC;
