CREATE SCHEMA domain;
CREATE SCHEMA outbox;
CREATE SCHEMA school;
CREATE FUNCTION outbox.add_partition(day date) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    name text := 'event_' || to_char(day, 'YYYYMMDD');
    lower timestamptz := day::timestamp AT TIME ZONE 'UTC';
    upper timestamptz := (day + 1)::timestamp AT TIME ZONE 'UTC';
BEGIN
    -- Two workers that meet at midnight: the second one finds the day made.
    PERFORM pg_advisory_xact_lock(hashtextextended('outbox-worker partitions', 0));
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
CREATE FUNCTION outbox.apply_database_rights() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    each record;
BEGIN
    -- As in mark_rights().
    PERFORM pg_advisory_xact_lock(hashtextextended('outbox-worker rights', 0));
    -- What we gave to roles that are in the table no more.
    FOR each IN
        DELETE FROM outbox.schema_usage AS given
        WHERE NOT is_shared AND NOT EXISTS (
            SELECT FROM outbox.database_right AS let_in WHERE let_in.role = given.role)
        RETURNING schema_name, (SELECT rolname FROM pg_roles WHERE oid = given.role) AS name
    LOOP
        IF each.name IS NOT NULL THEN
            EXECUTE format('REVOKE USAGE ON SCHEMA %I FROM %I', each.schema_name, each.name);
        END IF;
    END LOOP;
    IF NOT EXISTS (SELECT FROM outbox.database_right) THEN
        FOR each IN
            DELETE FROM outbox.schema_usage AS taken
            WHERE is_shared
            RETURNING schema_name, (SELECT rolname FROM pg_roles WHERE oid = taken.role) AS name
        LOOP
            IF each.name IS NOT NULL THEN
                EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', each.schema_name, each.name);
            END IF;
        END LOOP;
        RETURN;
    END IF;
    FOR each IN
        SELECT nspname, shared.oid, shared.rolname
        FROM pg_namespace CROSS JOIN LATERAL aclexplode(nspacl) AS held
        JOIN pg_roles AS shared ON shared.oid = held.grantee
        WHERE nspowner = (SELECT nspowner FROM pg_namespace WHERE nspname = 'outbox')
          AND held.privilege_type = 'USAGE' AND shared.oid <> nspowner
          AND starts_with(shared.rolname, 'outbox_') AND NOT shared.rolcanlogin
          AND shared.oid NOT IN (SELECT role FROM outbox.database_right)
    LOOP
        EXECUTE format('REVOKE USAGE ON SCHEMA %I FROM %I', each.nspname, each.rolname);
        INSERT INTO outbox.schema_usage (schema_name, role, is_shared)
        VALUES (each.nspname, each.oid, true) ON CONFLICT DO NOTHING;
    END LOOP;
    FOR each IN
        SELECT place.schema_name, let_in.oid, let_in.rolname
        FROM (SELECT DISTINCT schema_name FROM outbox.schema_usage WHERE is_shared) AS place
        JOIN pg_namespace ON nspname = place.schema_name
        CROSS JOIN outbox.database_right AS granted
        JOIN pg_roles AS let_in ON let_in.oid = granted.role
        WHERE NOT EXISTS (
            SELECT FROM aclexplode(nspacl) AS held
            WHERE held.grantee = let_in.oid AND held.privilege_type = 'USAGE')
    LOOP
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', each.schema_name, each.rolname);
        INSERT INTO outbox.schema_usage (schema_name, role, is_shared)
        VALUES (each.schema_name, each.oid, false);
    END LOOP;
END $$;
CREATE FUNCTION outbox.as_like(pattern text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN replace(replace(replace(replace(pattern, '\'::text, '\\'::text), '%'::text, '\%'::text), '_'::text, '\_'::text), '*'::text, '%'::text);
CREATE FUNCTION outbox.catch_up() RETURNS TABLE(name text, reached bigint, highest bigint)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
    behind record;
    late record;
    last timestamptz;
    fresh bigint;
BEGIN
    FOR behind IN SELECT * FROM outbox.sequence AS s WHERE s.reached < s.highest LOOP
        -- What a writer draws between the look and this stays below: it is never set back.
        PERFORM setval(behind.name::regclass, behind.highest + 1000);
        IF behind.name = 'outbox.event_id_seq' THEN
            FOR late IN SELECT e.id, e.created_at FROM outbox.event AS e
                WHERE e.id <= behind.reached AND e.created_at > coalesce((
                    SELECT max(o.created_at) FROM outbox.event AS o WHERE o.id > behind.reached),
                    '-infinity')
                ORDER BY e.id LOOP
                UPDATE outbox.event AS e SET id = nextval('outbox.event_id_seq')
                WHERE e.id = late.id AND e.created_at = late.created_at;
            END LOOP;
        ELSIF behind.name = 'outbox.command_seq_seq' THEN
            FOR late IN SELECT c.command_id FROM outbox.command AS c
                WHERE c.status = 'queued' AND c.seq <= behind.reached AND c.submitted_at > (
                    SELECT max(o.submitted_at) FROM outbox.command AS o
                    WHERE o.status = 'queued' AND o.seq > behind.reached)
                ORDER BY c.seq LOOP
                UPDATE outbox.command AS c SET seq = DEFAULT WHERE c.command_id = late.command_id;
            END LOOP;
        ELSIF behind.name = 'outbox.dead_letter_order_id_seq' THEN
            FOR late IN SELECT o.id FROM outbox.dead_letter_order AS o
                WHERE o.state = 'open' AND o.id <= behind.reached AND o.ordered_at > coalesce((
                    SELECT max(p.ordered_at) FROM outbox.dead_letter_order AS p
                    WHERE p.id > behind.reached), '-infinity')
                ORDER BY o.id LOOP
                UPDATE outbox.dead_letter_order AS o SET id = DEFAULT WHERE o.id = late.id;
            END LOOP;
        ELSIF behind.name = 'outbox.dead_letter_request_seq' THEN
            last := (SELECT max(o.ordered_at) FROM outbox.dead_letter_order AS o
                     WHERE o.request > behind.reached);
            FOR late IN SELECT DISTINCT o.request FROM outbox.dead_letter_order AS o
                WHERE o.state = 'open' AND o.request <= behind.reached AND o.ordered_at > last
                ORDER BY o.request LOOP
                fresh := nextval('outbox.dead_letter_request_seq');
                UPDATE outbox.dead_letter_order AS o SET request = fresh
                WHERE o.request = late.request AND o.ordered_at > last;
            END LOOP;
        ELSE
            SELECT renumber INTO late FROM outbox.application_sequence WHERE sequence = behind.name;
            EXECUTE format('SELECT %s($1)', late.renumber::regproc) USING behind.reached;
        END IF;
        RETURN QUERY SELECT behind.name, behind.reached, behind.highest;
    END LOOP;
END $_$;
CREATE FUNCTION outbox.check_command_right() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
CREATE FUNCTION outbox.discard(topic text DEFAULT NULL::text, key text DEFAULT NULL::text, event_id uuid DEFAULT NULL::uuid, everything boolean DEFAULT false) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_variable
DECLARE
    ended text[] := '{}';
    discarded bigint;
BEGIN
    IF NOT everything AND topic IS NULL AND event_id IS NULL OR key IS NOT NULL AND topic IS NULL THEN
        RAISE EXCEPTION 'outbox.discard() takes an event_id, a topic, a topic and a key, or everything'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF key IS NULL AND event_id IS NULL THEN
        ended := ARRAY(
            SELECT DISTINCT standing.topic FROM outbox.dead_letter_order AS standing
            WHERE standing.state = 'open' AND standing.action = 'park' AND standing.shard IS NULL
              AND (topic IS NULL OR standing.topic = topic));
        PERFORM outbox.stop_parking(topic);
    END IF;
    WITH gone AS (
        UPDATE outbox.dead_letter_event AS letter
        SET state = 'discarded', decided_by = session_user, decided_at = clock_timestamp()
        WHERE letter.state = 'parked'
          AND (event_id IS NULL OR letter.event_id = event_id)
          AND (topic IS NULL OR letter.topic = topic) AND (key IS NULL OR letter.key = key)
        RETURNING letter.id, letter.shard, letter.topic, letter.key
    ), late AS (
        -- All of a sequence is gone: a worker may be about to park an event behind it. Where some of it is
        -- left, a person decides about that, and so about what comes behind it.
        INSERT INTO outbox.dead_letter_order (action, shard, topic, key)
        SELECT DISTINCT 'redrive', gone.shard, gone.topic,
               CASE WHEN event_id IS NOT NULL OR key IS NOT NULL THEN gone.key END
        FROM gone
        WHERE gone.key IS NOT NULL AND gone.topic <> ALL(ended)
          AND NOT EXISTS (
              SELECT FROM outbox.dead_letter_event AS other
              WHERE event_id IS NOT NULL AND other.shard = gone.shard AND other.topic = gone.topic
                AND other.key = gone.key AND other.id <> gone.id
                AND other.state IN ('parked', 'redriving'))
    )
    SELECT count(*) INTO discarded FROM gone;
    INSERT INTO outbox.dead_letter_order (request, action, shard, topic)
    SELECT late.request, 'redrive', place.shard, late.topic
    FROM (SELECT nextval('outbox.dead_letter_request_seq') AS request, one.topic
          FROM unnest(ended) AS one (topic)) AS late
    CROSS JOIN generate_series(0, outbox.shard_count() - 1) AS place (shard);
    RETURN discarded;
END $$;
CREATE FUNCTION outbox.drop_partition(day date) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    AS $_$
DECLARE
    name text := 'event_' || to_char(day, 'YYYYMMDD');
    given text := current_setting('lock_timeout');
    a_second_longer text := 1000 * (1 + extract(epoch FROM
        current_setting('deadlock_timeout')::interval)) || 'ms';
    looked pg_snapshot;
    grew boolean;
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION 'outbox.drop_partition() works in READ COMMITTED only, this is %',
            upper(current_setting('transaction_isolation'))
            USING ERRCODE = 'invalid_transaction_state',
                  HINT = 'Its look under the lock must see what others have committed since: '
                         'SET default_transaction_isolation = ''read committed''.';
    END IF;
    -- Vacuum, and another purge, are waited for in a mode that keeps no writer waiting. One that
    -- Postgres runs by itself gives way to whoever has waited for deadlock_timeout.
    PERFORM set_config('lock_timeout', a_second_longer, true);
    EXECUTE format('LOCK TABLE ONLY outbox.%I IN SHARE UPDATE EXCLUSIVE MODE', name);
    PERFORM set_config('lock_timeout', given, true);
    looked := pg_current_snapshot();
    IF outbox.has_unpublished(day) THEN
        RETURN false;
    END IF;
    EXECUTE format('LOCK TABLE ONLY outbox.event, outbox.%I IN ACCESS EXCLUSIVE MODE', name);
    EXECUTE format(
        'SELECT EXISTS (
             SELECT FROM outbox.%1$I WHERE xid >= pg_snapshot_xmax($1)
             UNION ALL
             SELECT FROM outbox.%1$I WHERE xid = ANY(ARRAY(SELECT pg_snapshot_xip($1))))', name)
        INTO grew USING looked;
    IF grew THEN
        RETURN false;
    END IF;
    EXECUTE format(
        'INSERT INTO outbox.purged AS kept (id, xid)
         SELECT id, xid FROM (SELECT id FROM outbox.%1$I ORDER BY id DESC LIMIT 1) AS a,
                             (SELECT xid FROM outbox.%1$I ORDER BY xid DESC LIMIT 1) AS b
         WHERE true
         ON CONFLICT (one) DO UPDATE SET id = greatest(kept.id, excluded.id),
                                         xid = greatest(kept.xid, excluded.xid)', name);
    BEGIN
        EXECUTE format('DROP TABLE outbox.%I', name);
    EXCEPTION WHEN dependent_objects_still_exist THEN
        -- What stays is an empty table, which belongs to outbox.event no more.
        EXECUTE format('ALTER TABLE outbox.event DETACH PARTITION outbox.%I', name);
        EXECUTE format('TRUNCATE outbox.%I', name);
    END;
    RETURN true;
END $_$;
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
    content_type text NOT NULL,
    horizon xid8 DEFAULT pg_snapshot_xmin(pg_current_snapshot()),
    writer text DEFAULT SESSION_USER
)
PARTITION BY RANGE (created_at);
CREATE FUNCTION outbox.find_event(event_id uuid, written_at timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS SETOF outbox.event
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_custom_plan'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    AS $$
#variable_conflict use_variable
BEGIN
    IF written_at IS NOT NULL THEN
        -- Until the function ends.
        PERFORM set_config('enable_seqscan', 'on', true);
        RETURN QUERY SELECT * FROM outbox.event AS e
            WHERE e.created_at >= written_at - interval '30 min'
              AND e.created_at <= written_at + interval '30 min'
              AND e.event_id = find_event.event_id AND e.writer = session_user LIMIT 1;
        RETURN;
    END IF;
    RETURN QUERY SELECT * FROM outbox.event AS e
        WHERE e.id > (SELECT max(id) - 100000 FROM outbox.event)
          AND e.event_id = find_event.event_id AND e.writer = session_user LIMIT 1;
    IF NOT FOUND THEN
        RETURN QUERY
        WITH place AS (
            SELECT coalesce(seen, '1:1:'::pg_snapshot) AS seen
            FROM generate_series(0, outbox.shard_count() - 1) AS shard (shard)
                 LEFT JOIN outbox.position USING (shard)
        )
        SELECT * FROM outbox.event AS e
        WHERE e.xid >= (SELECT pg_snapshot_xmax(seen) AS xmax FROM place ORDER BY 1 LIMIT 1)
          AND e.event_id = find_event.event_id AND e.writer = session_user
        UNION ALL
        SELECT * FROM outbox.event AS e
        WHERE e.xid = ANY(ARRAY(SELECT pg_snapshot_xip(seen) FROM place))
          AND e.event_id = find_event.event_id AND e.writer = session_user
        LIMIT 1;
    END IF;
END $$;
CREATE FUNCTION outbox.shard_count() RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN 16;
CREATE TABLE outbox.dead_letter_event (
    id bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    xid xid8 NOT NULL,
    shard smallint NOT NULL,
    topic text NOT NULL,
    key text,
    event_id uuid NOT NULL,
    type text NOT NULL,
    reason text NOT NULL,
    code text NOT NULL,
    behind bigint,
    parked_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    parked_by text NOT NULL,
    state text DEFAULT 'parked'::text NOT NULL,
    number bigint NOT NULL,
    to_topic text,
    attempts integer DEFAULT 0 NOT NULL,
    refused_in bigint,
    decided_by text,
    decided_at timestamp with time zone,
    CONSTRAINT dead_letter_has_a_state CHECK ((state = ANY (ARRAY['parked'::text, 'redriving'::text, 'redriven'::text, 'discarded'::text])))
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
    CONSTRAINT position_shard_check CHECK (((shard >= 0) AND (shard <= (outbox.shard_count() - 1))))
)
WITH (fillfactor='50');
CREATE TABLE outbox.shard_state (
    shard smallint NOT NULL,
    worker text NOT NULL,
    state text NOT NULL,
    id bigint,
    event_id uuid,
    topic text,
    reason text,
    hint text,
    since timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    seen_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT shard_state_shard_check CHECK (((shard >= 0) AND (shard <= (outbox.shard_count() - 1)))),
    CONSTRAINT shard_state_state_check CHECK ((state = ANY (ARRAY['up_to_date'::text, 'catching_up'::text, 'held'::text, 'no_position'::text, 'refusing'::text, 'kafka_away'::text, 'no_worker'::text])))
)
WITH (fillfactor='50');
CREATE FUNCTION outbox.event_state(event_id uuid, written_at timestamp with time zone DEFAULT NULL::timestamp with time zone, OUT state text, OUT reason text) RETURNS SETOF record
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 SELECT
         CASE
             WHEN (l.state = ANY (ARRAY['parked'::text, 'redriving'::text])) THEN 'parked'::text
             WHEN (l.state = 'discarded'::text) THEN 'discarded'::text
             WHEN (pg_visible_in_snapshot(e.xid, p.seen) OR ((e.id <= p.cursor) AND pg_visible_in_snapshot(e.xid, p.upper))) THEN 'published'::text
             WHEN (h.id = e.id) THEN 'held'::text
             ELSE 'waiting'::text
         END AS "case",
         CASE
             WHEN (l.state = 'redriven'::text) THEN ('to topic '::text || l.to_topic)
             WHEN (l.state IS NOT NULL) THEN l.reason
             WHEN (pg_visible_in_snapshot(e.xid, p.seen) OR ((e.id <= p.cursor) AND pg_visible_in_snapshot(e.xid, p.upper))) THEN NULL::text
             WHEN (h.id = e.id) THEN h.reason
             WHEN (h.id < e.id) THEN 'an earlier event of its shard is held'::text
             ELSE NULL::text
         END AS "case"
    FROM (((outbox.find_event(event_state.event_id, event_state.written_at) e(id, xid, shard, created_at, event_id, topic, key, type, headers, payload, content_type, horizon, writer)
      LEFT JOIN outbox."position" p ON ((p.shard = e.shard)))
      LEFT JOIN outbox.shard_state h ON (((h.shard = e.shard) AND (h.state = 'held'::text))))
      LEFT JOIN outbox.dead_letter_event l ON ((l.id = e.id)));
END;
CREATE FUNCTION outbox.find_waiting(event_id uuid) RETURNS SETOF outbox.event
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_custom_plan'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    AS $$
#variable_conflict use_variable
BEGIN
    RETURN QUERY
    WITH place AS (
        SELECT shard.shard, coalesce(seen, '1:1:'::pg_snapshot) AS seen, upper, cursor
        FROM generate_series(0, outbox.shard_count() - 1) AS shard (shard)
             LEFT JOIN outbox.position USING (shard)
    ), found AS (
        SELECT e.* FROM outbox.event AS e
        WHERE e.xid >= (SELECT pg_snapshot_xmax(seen) AS xmax FROM place ORDER BY 1 LIMIT 1)
          AND e.event_id = find_waiting.event_id
        UNION
        SELECT e.* FROM outbox.event AS e
        WHERE e.xid = ANY(ARRAY(SELECT pg_snapshot_xip(seen) FROM place))
          AND e.event_id = find_waiting.event_id
    )
    SELECT found.* FROM found JOIN place ON place.shard = found.shard
    WHERE NOT pg_visible_in_snapshot(found.xid, place.seen)
      AND NOT (place.upper IS NOT NULL AND found.id <= place.cursor
               AND pg_visible_in_snapshot(found.xid, place.upper));
END $$;
CREATE FUNCTION outbox.hand_over(owner text, schemas text[]) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    is_16 boolean := current_setting('server_version_num')::integer >= 160000;
    wanted oid;
    orders text[];
    each text;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = owner) THEN
        EXECUTE format('CREATE ROLE %I NOLOGIN', owner);
    END IF;
    SELECT oid INTO wanted FROM pg_roles WHERE rolname = owner;
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
       AND NOT (pg_has_role(wanted, 'USAGE')
                AND pg_has_role(wanted, CASE WHEN is_16 THEN 'SET' ELSE 'MEMBER' END)) THEN
        EXECUTE format(CASE WHEN is_16 THEN 'GRANT %I TO %I WITH INHERIT TRUE, SET TRUE'
                            ELSE 'GRANT %I TO %I' END, owner, current_user);
    END IF;
    -- In the order in which writers take them, where they are not the owner's yet: publish() looks at
    -- the keys from before first.
    IF EXISTS (SELECT FROM pg_class WHERE relowner <> wanted AND oid IN (
                   'outbox.command'::regclass, 'outbox.unowned_idempotency_key'::regclass,
                   'outbox.idempotency_key'::regclass, 'outbox.event'::regclass)) THEN
        LOCK TABLE outbox.command, outbox.unowned_idempotency_key, outbox.idempotency_key,
            outbox.event IN SHARE UPDATE EXCLUSIVE MODE;
        PERFORM set_config('lock_timeout', '300ms', true);
        LOCK TABLE outbox.command IN ACCESS EXCLUSIVE MODE;
        LOCK TABLE outbox.unowned_idempotency_key IN ACCESS EXCLUSIVE MODE;
        LOCK TABLE outbox.idempotency_key IN ACCESS EXCLUSIVE MODE;
        PERFORM set_config('lock_timeout', '900ms', true);
        LOCK TABLE outbox.event IN ACCESS EXCLUSIVE MODE;
        PERFORM set_config('lock_timeout', '300ms', true);
    END IF;
    -- All of them before the first: none may be altered while a query reads it.
    orders := ARRAY(
        WITH place AS (
            SELECT oid FROM pg_namespace WHERE nspname = ANY(schemas)
               OR nspname IN (SELECT (parse_ident(sequence))[1] FROM outbox.application_sequence)
        ), thing AS (
            SELECT 1 AS nth, 'SCHEMA' AS kind, oid::regnamespace::text AS name, nspowner AS held_by,
                   oid, 'pg_namespace'::regclass AS catalog
            FROM pg_namespace WHERE oid IN (SELECT oid FROM place)
            UNION ALL
            SELECT 2, CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
                                   WHEN 'S' THEN 'SEQUENCE' WHEN 'f' THEN 'FOREIGN TABLE'
                                   ELSE 'TABLE' END,
                   oid::regclass::text, relowner, oid, 'pg_class'::regclass
            FROM pg_class
            WHERE relnamespace IN (SELECT oid FROM place) AND relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
            UNION ALL
            SELECT 3, 'ROUTINE', oid::regprocedure::text, proowner, oid, 'pg_proc'::regclass
            FROM pg_proc WHERE pronamespace IN (SELECT oid FROM place)
            UNION ALL
            SELECT 4, 'TYPE', oid::regtype::text, typowner, oid, 'pg_type'::regclass
            FROM pg_type WHERE typnamespace IN (SELECT oid FROM place)
              AND (typtype IN ('e', 'd', 'r') OR typtype = 'c' AND typrelid IN (
                       SELECT oid FROM pg_class WHERE relkind = 'c'))
        )
        SELECT format('ALTER %s %s OWNER TO %I', kind, name, owner) FROM thing
        WHERE held_by <> wanted
          -- Sequences of a column go with its table; what belongs to an extension stays.
          AND NOT EXISTS (SELECT FROM pg_depend
                          WHERE classid = thing.catalog AND objid = thing.oid
                            AND (deptype = 'e' OR kind = 'SEQUENCE' AND deptype IN ('a', 'i')))
        ORDER BY nth, name);
    FOREACH each IN ARRAY orders LOOP
        EXECUTE each;
    END LOOP;
    RETURN cardinality(orders);
END $$;
CREATE FUNCTION outbox.has_unpublished(day date) RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    AS $_$
DECLARE
    found_one boolean;
BEGIN
    EXECUTE format('SELECT EXISTS (
        SELECT FROM outbox.dead_letter_event
        WHERE created_at >= $1 AND created_at < $2 AND state IN (''parked'', ''redriving'')
    ) OR EXISTS (
        SELECT FROM generate_series(0, outbox.shard_count() - 1) AS shard (shard)
        LEFT JOIN outbox.position USING (shard)
        CROSS JOIN LATERAL (
            SELECT coalesce(position.upper, position.seen, ''1:1:'') AS snapshot
        ) AS border
        CROSS JOIN LATERAL (
            SELECT FROM (
                SELECT xid FROM outbox.%1$I AS event
                WHERE event.shard = shard.shard AND xid >= pg_snapshot_xmax(border.snapshot)
                UNION ALL
                SELECT xid FROM outbox.%1$I AS event
                WHERE event.shard = shard.shard
                  AND xid = ANY(ARRAY(SELECT pg_snapshot_xip(border.snapshot)))
                UNION ALL
                -- + 0: by the ids, of which few are left, and not by the shard.
                SELECT xid FROM outbox.%1$I AS event
                WHERE event.shard + 0 = shard.shard
                  AND id > position.cursor AND pg_visible_in_snapshot(xid, position.upper)
            ) AS beyond
            WHERE position.seen IS NULL OR NOT pg_visible_in_snapshot(xid, position.seen)
            LIMIT 1
        ) AS waiting
    )', 'event_' || to_char(day, 'YYYYMMDD'))
        INTO found_one
        USING day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC';
    RETURN found_one;
END $_$;
CREATE FUNCTION outbox.list_application_sequences() RETURNS TABLE(name text, reached bigint, highest bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    each outbox.application_sequence;
BEGIN
    FOR each IN SELECT * FROM outbox.application_sequence AS registered
                WHERE to_regclass(registered.sequence) IS NOT NULL LOOP
        RETURN QUERY EXECUTE format(
            'SELECT %L::text, CASE WHEN is_called THEN last_value ELSE 0 END, %s() FROM %s',
            each.sequence, each.highest::regproc, each.sequence::regclass);
    END LOOP;
END $$;
CREATE FUNCTION outbox.mark_rights() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
CREATE FUNCTION outbox.name_content() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
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
CREATE FUNCTION outbox.needs_right(relation regclass) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN ((NOT pg_has_role(SESSION_USER, 'outbox_commands'::name, 'member'::text)) AND (NOT pg_has_role(SESSION_USER, (SELECT pg_class.relowner FROM pg_class WHERE (pg_class.oid = (needs_right.relation)::oid)), 'member'::text)));
CREATE FUNCTION outbox.note_database_right() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    PERFORM outbox.apply_database_rights();
    RETURN NULL;
END $$;
CREATE FUNCTION outbox.park(topic text DEFAULT NULL::text, key text DEFAULT NULL::text, event_id uuid DEFAULT NULL::uuid, reason text DEFAULT NULL::text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_variable
DECLARE
    request bigint := nextval('outbox.dead_letter_request_seq');
    ordered bigint;
BEGIN
    IF event_id IS NULL AND topic IS NULL OR event_id IS NOT NULL AND key IS NOT NULL THEN
        RAISE EXCEPTION 'outbox.park() takes an event_id, a topic and a key, or a topic alone'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF event_id IS NOT NULL THEN
        INSERT INTO outbox.dead_letter_order
            (request, action, shard, topic, key, event, event_xid, reason)
        SELECT request, 'park', found.shard, found.topic, found.key, found.id, found.xid, reason
        FROM outbox.find_waiting(event_id) AS found
        WHERE topic IS NULL OR found.topic = topic;
    ELSE
        INSERT INTO outbox.dead_letter_order (request, action, shard, topic, key, reason)
        VALUES (request, 'park',
                CASE WHEN key IS NOT NULL THEN
                    hashtextextended(key, 0) & (outbox.shard_count() - 1) END,
                topic, key, reason);
    END IF;
    GET DIAGNOSTICS ordered = ROW_COUNT;
    IF ordered = 0 THEN
        RAISE EXCEPTION 'no event % waits to be published', event_id
            USING ERRCODE = 'no_data_found',
                  HINT = 'It is published, parked already, or not committed yet.';
    END IF;
    RETURN request;
END $$;
CREATE FUNCTION outbox.publish(topic text, key text, type text, payload jsonb, event_id uuid DEFAULT NULL::uuid, idempotency_key text DEFAULT NULL::text, headers jsonb DEFAULT NULL::jsonb, content_type text DEFAULT 'application/json'::text) RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
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
END $_$;
CREATE FUNCTION outbox.publish_bytes(topic text, key text, type text, payload bytea, event_id uuid DEFAULT NULL::uuid, idempotency_key text DEFAULT NULL::text, headers jsonb DEFAULT NULL::jsonb, content_type text DEFAULT NULL::text, schema_id uuid DEFAULT NULL::uuid) RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
CREATE FUNCTION outbox.purge_dead_letters(beyond bigint, before timestamp with time zone, most bigint, OUT removed bigint, OUT highest bigint) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    WITH old AS (
        SELECT letter.id FROM outbox.dead_letter_event AS letter
        WHERE letter.id > beyond AND letter.state IN ('redriven', 'discarded')
          AND letter.decided_at < before
          AND NOT EXISTS (SELECT FROM outbox.event
                          WHERE event.id = letter.id AND event.created_at = letter.created_at)
        ORDER BY letter.id
        LIMIT most
    ), gone AS (
        DELETE FROM outbox.dead_letter_event AS letter USING old
        WHERE letter.id = old.id AND letter.state IN ('redriven', 'discarded')
        RETURNING letter.id, letter.xid
    ), noted AS (
        INSERT INTO outbox.purged AS kept (id, xid)
        SELECT max(gone.id), max(gone.xid::text::bigint)::text::xid8 FROM gone HAVING count(*) > 0
        ON CONFLICT (one) DO UPDATE SET id = greatest(kept.id, excluded.id),
                                        xid = greatest(kept.xid, excluded.xid)
    )
    SELECT count(*), max(gone.id) INTO removed, highest FROM gone;
    DELETE FROM outbox.dead_letter_order WHERE id IN (
        SELECT id FROM outbox.dead_letter_order
        WHERE state <> 'open' AND ended_at < before LIMIT most);
END $$;
CREATE FUNCTION outbox.purge_default(beyond bigint, before timestamp with time zone, most bigint, OUT removed bigint, OUT highest bigint) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET enable_sort TO 'off'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
BEGIN
    WITH old AS (
        SELECT event.id, event.created_at FROM outbox.event_default AS event
        JOIN outbox.position USING (shard)
        WHERE event.id > beyond AND event.created_at < before
          AND (pg_visible_in_snapshot(event.xid, position.seen)
               OR (event.id <= position.cursor
                   AND pg_visible_in_snapshot(event.xid, position.upper)))
          AND NOT EXISTS (SELECT FROM outbox.dead_letter_event AS letter
                          WHERE letter.id = event.id AND letter.state IN ('parked', 'redriving'))
        ORDER BY event.id
        LIMIT most
    ), gone AS (
        DELETE FROM outbox.event_default AS event USING old
        WHERE event.id = old.id AND event.created_at = old.created_at
        RETURNING event.id, event.xid
    ), noted AS (
        INSERT INTO outbox.purged AS kept (id, xid)
        SELECT max(gone.id), max(gone.xid::text::bigint)::text::xid8 FROM gone HAVING count(*) > 0
        ON CONFLICT (one) DO UPDATE SET id = greatest(kept.id, excluded.id),
                                        xid = greatest(kept.xid, excluded.xid)
    )
    SELECT count(*), max(gone.id) INTO removed, highest FROM gone;
END $$;
CREATE FUNCTION outbox.redrive(topic text DEFAULT NULL::text, key text DEFAULT NULL::text, event_id uuid DEFAULT NULL::uuid, to_topic text DEFAULT NULL::text, rate double precision DEFAULT NULL::double precision, everything boolean DEFAULT false) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_variable
DECLARE
    request bigint := nextval('outbox.dead_letter_request_seq');
    closed bigint := 0;
    ordered bigint;
BEGIN
    IF NOT everything AND topic IS NULL AND event_id IS NULL OR key IS NOT NULL AND topic IS NULL THEN
        RAISE EXCEPTION 'outbox.redrive() takes an event_id, a topic, a topic and a key, or everything'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF key IS NULL AND event_id IS NULL THEN
        closed := outbox.stop_parking(topic);
    END IF;
    IF event_id IS NOT NULL THEN
        INSERT INTO outbox.dead_letter_order
            (request, action, shard, topic, key, event, to_topic, rate)
        SELECT request, 'redrive', letter.shard, letter.topic, letter.key, letter.id, to_topic,
               rate / count(*) OVER ()
        FROM outbox.dead_letter_event AS letter
        WHERE letter.event_id = event_id AND letter.state IN ('parked', 'redriving')
          AND (topic IS NULL OR letter.topic = topic) AND (key IS NULL OR letter.key = key);
    ELSE
        INSERT INTO outbox.dead_letter_order (request, action, shard, topic, key, to_topic, rate)
        SELECT request, 'redrive', place.shard, topic, key, to_topic, rate / count(*) OVER ()
        FROM generate_series(0, outbox.shard_count() - 1) AS place (shard)
        WHERE closed > 0 OR EXISTS (
            SELECT FROM outbox.dead_letter_event AS letter
            WHERE letter.shard = place.shard AND letter.state IN ('parked', 'redriving')
              AND (topic IS NULL OR letter.topic = topic) AND (key IS NULL OR letter.key = key));
    END IF;
    GET DIAGNOSTICS ordered = ROW_COUNT;
    RETURN CASE WHEN ordered > 0 THEN request END;
END $$;
CREATE FUNCTION outbox.refuse_old_call() RETURNS bytea
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RAISE EXCEPTION 'the schema was updated during this call'
        USING ERRCODE = 'serialization_failure', HINT = 'Run the transaction again.';
END $$;
CREATE FUNCTION outbox.retry_command(id uuid) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
CREATE FUNCTION outbox.stop_parking(topic text DEFAULT NULL::text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_variable
DECLARE
    closed bigint;
BEGIN
    UPDATE outbox.dead_letter_order AS standing
    SET state = 'done', outcome = 'closed by ' || session_user, ended_at = clock_timestamp()
    WHERE standing.state = 'open' AND standing.action = 'park' AND standing.shard IS NULL
      AND (topic IS NULL OR standing.topic = topic);
    GET DIAGNOSTICS closed = ROW_COUNT;
    RETURN closed;
END $$;
CREATE FUNCTION outbox.submit(type text, key text, payload jsonb, actor text, command_id uuid DEFAULT NULL::uuid, correlation_id uuid DEFAULT NULL::uuid) RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
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
END $_$;
CREATE FUNCTION outbox.validate_event() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
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
END $_$;
CREATE FUNCTION school.highest_arrival() RETURNS bigint
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    SELECT greatest((SELECT max(arrival) FROM school.content WHERE status = 'pending'),
                    (SELECT max(arrival) FROM school.failure WHERE status = 'pending'), 0)
$$;
CREATE FUNCTION school.renumber_arrivals(reached bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    late record;
BEGIN
    -- Both tables in one order.
    FOR late IN
        WITH waiting AS (
            SELECT c.batch_id, c.text_storage_id AS text_id, NULL AS upload_id,
                   c.arrival, c.arrived_at
            FROM school.content AS c WHERE c.status = 'pending'
            UNION ALL
            SELECT f.batch_id, NULL, f.file_upload_id, f.arrival, f.arrived_at
            FROM school.failure AS f WHERE f.status = 'pending'
        )
        SELECT w.batch_id, w.text_id, w.upload_id FROM waiting AS w
        WHERE w.arrival <= reached AND w.arrived_at > (
            SELECT max(o.arrived_at) FROM waiting AS o WHERE o.arrival > reached)
        ORDER BY w.arrival LOOP
        UPDATE school.content AS c SET arrival = DEFAULT
        WHERE c.status = 'pending' AND c.batch_id = late.batch_id
          AND c.text_storage_id = late.text_id;
        UPDATE school.failure AS f SET arrival = DEFAULT
        WHERE f.status = 'pending' AND f.batch_id = late.batch_id
          AND f.file_upload_id = late.upload_id;
    END LOOP;
END $$;
CREATE TABLE school.batch (
    batch_id uuid NOT NULL,
    owner text NOT NULL,
    course_code text NOT NULL,
    class_type text NOT NULL,
    class_id uuid,
    org_id text,
    student_prompt_ref text,
    expected_count integer NOT NULL,
    correlation_id uuid NOT NULL,
    registered_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    provisioned_at timestamp with time zone,
    completed_at timestamp with time zone,
    CONSTRAINT batch_class_type_is_known CHECK ((class_type = ANY (ARRAY['GUEST'::text, 'REGULAR'::text]))),
    CONSTRAINT batch_completes_after_its_content CHECK (((completed_at IS NULL) OR (provisioned_at IS NOT NULL))),
    CONSTRAINT batch_holds_1_to_1000_essays CHECK (((expected_count >= 1) AND (expected_count <= 1000))),
    CONSTRAINT batch_is_regular_with_a_class CHECK (((class_type = 'REGULAR'::text) = (class_id IS NOT NULL)))
);
CREATE TABLE school.slot (
    batch_id uuid NOT NULL,
    "position" integer NOT NULL,
    essay_id uuid NOT NULL,
    status text DEFAULT 'free'::text NOT NULL,
    text_storage_id text,
    file_upload_id text,
    taken_at timestamp with time zone,
    CONSTRAINT slot_is_assigned_with_a_text CHECK (((status = 'assigned'::text) = (text_storage_id IS NOT NULL))),
    CONSTRAINT slot_is_taken_by_an_upload CHECK (((status = 'free'::text) = (file_upload_id IS NULL))),
    CONSTRAINT slot_status_is_known CHECK ((status = ANY (ARRAY['free'::text, 'assigned'::text, 'failed'::text])))
)
WITH (fillfactor='60');
CREATE VIEW domain.batch AS
 SELECT batch_id,
    owner AS user_id,
    course_code,
    class_type,
    class_id,
    org_id,
    student_prompt_ref,
    expected_count,
    ( SELECT count(*) AS count
           FROM school.slot
          WHERE ((slot.batch_id = batch.batch_id) AND (slot.status = 'assigned'::text))) AS assigned_count,
    ( SELECT count(*) AS count
           FROM school.slot
          WHERE ((slot.batch_id = batch.batch_id) AND (slot.status = 'failed'::text))) AS failed_count,
        CASE
            WHEN (completed_at IS NOT NULL) THEN 'completed'::text
            WHEN (provisioned_at IS NOT NULL) THEN 'awaiting_associations'::text
            ELSE 'awaiting_content'::text
        END AS status,
    correlation_id,
    registered_at,
    provisioned_at,
    completed_at
   FROM school.batch;
CREATE TABLE school.class (
    class_id uuid NOT NULL,
    owner text NOT NULL,
    name text NOT NULL,
    course_code text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT class_name_is_short CHECK (((char_length(name) >= 1) AND (char_length(name) <= 100))),
    CONSTRAINT class_name_is_trimmed CHECK ((name = btrim(name)))
);
CREATE TABLE school.course (
    code text NOT NULL,
    name text NOT NULL,
    language text NOT NULL,
    CONSTRAINT course_language_is_known CHECK ((language = ANY (ARRAY['en'::text, 'sv'::text])))
);
CREATE TABLE school.enrolment (
    class_id uuid NOT NULL,
    student_id uuid NOT NULL,
    enrolled_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
CREATE VIEW domain.class AS
 SELECT class.class_id,
    class.owner AS user_id,
    class.name,
    class.course_code,
    course.name AS course_name,
    course.language AS course_language,
    ( SELECT count(*) AS count
           FROM school.enrolment
          WHERE (enrolment.class_id = class.class_id)) AS student_count,
    class.created_at,
    class.updated_at
   FROM (school.class
     JOIN school.course ON ((course.code = class.course_code)));
CREATE TABLE school.student (
    student_id uuid NOT NULL,
    owner text NOT NULL,
    first_name text NOT NULL,
    last_name text NOT NULL,
    legal_full_name text NOT NULL,
    email text,
    email_key text,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT student_email_has_its_key CHECK (((email_key IS NULL) = (email IS NULL))),
    CONSTRAINT student_email_is_short CHECK (((char_length(email) >= 3) AND (char_length(email) <= 320))),
    CONSTRAINT student_first_name_is_short CHECK (((char_length(first_name) >= 1) AND (char_length(first_name) <= 255))),
    CONSTRAINT student_last_name_is_short CHECK (((char_length(last_name) >= 1) AND (char_length(last_name) <= 255))),
    CONSTRAINT student_legal_name_is_short CHECK (((char_length(legal_full_name) >= 1) AND (char_length(legal_full_name) <= 511)))
);
CREATE VIEW domain.roster AS
 SELECT enrolment.class_id,
    class.owner AS user_id,
    enrolment.student_id,
    student.first_name,
    student.last_name,
    student.legal_full_name,
    student.email,
    enrolment.enrolled_at
   FROM ((school.enrolment
     JOIN school.class USING (class_id))
     JOIN school.student USING (student_id));
CREATE SEQUENCE school.arrival_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
CREATE TABLE school.association (
    batch_id uuid NOT NULL,
    essay_id uuid NOT NULL,
    status text NOT NULL,
    suggested_student_id uuid,
    confidence_score double precision,
    match_reasons jsonb,
    no_match_reason text,
    suggested_at timestamp with time zone,
    student_id uuid,
    student_name text,
    method text,
    validated_by text,
    validated_at timestamp with time zone,
    CONSTRAINT association_is_confirmed_with_a_student CHECK (((status = 'confirmed'::text) = (student_id IS NOT NULL))),
    CONSTRAINT association_is_decided_by_a_method CHECK (((status = ANY (ARRAY['confirmed'::text, 'no_student'::text])) = (method IS NOT NULL))),
    CONSTRAINT association_method_is_known CHECK ((method = ANY (ARRAY['human'::text, 'timeout'::text]))),
    CONSTRAINT association_score_is_0_to_1 CHECK (((confidence_score >= (0)::double precision) AND (confidence_score <= (1)::double precision))),
    CONSTRAINT association_status_is_known CHECK ((status = ANY (ARRAY['suggested'::text, 'no_match'::text, 'confirmed'::text, 'no_student'::text]))),
    CONSTRAINT association_suggests_a_student CHECK (((suggested_student_id IS NULL) = (confidence_score IS NULL)))
);
CREATE TABLE school.content (
    batch_id uuid NOT NULL,
    text_storage_id text NOT NULL,
    status text NOT NULL,
    essay_id uuid,
    file_upload_id text NOT NULL,
    original_file_name text NOT NULL,
    file_size_bytes bigint NOT NULL,
    content_md5 text,
    raw_file_storage_id text,
    correlation_id uuid NOT NULL,
    arrival bigint DEFAULT nextval('school.arrival_seq'::regclass) NOT NULL,
    arrived_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT content_is_assigned_to_an_essay CHECK (((status = 'assigned'::text) = (essay_id IS NOT NULL))),
    CONSTRAINT content_status_is_known CHECK ((status = ANY (ARRAY['pending'::text, 'assigned'::text, 'excess'::text]))),
    CONSTRAINT content_text_id_is_short CHECK (((char_length(text_storage_id) >= 1) AND (char_length(text_storage_id) <= 255)))
)
WITH (fillfactor='80');
CREATE TABLE school.failure (
    batch_id uuid NOT NULL,
    file_upload_id text NOT NULL,
    status text NOT NULL,
    essay_id uuid,
    original_file_name text NOT NULL,
    code text NOT NULL,
    detail text,
    raw_file_storage_id text,
    file_size_bytes bigint,
    correlation_id uuid NOT NULL,
    arrival bigint DEFAULT nextval('school.arrival_seq'::regclass) NOT NULL,
    arrived_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT failure_code_is_known CHECK ((code = ANY (ARRAY['EMPTY_CONTENT'::text, 'CONTENT_TOO_SHORT'::text, 'CONTENT_TOO_LONG'::text, 'RAW_STORAGE_FAILED'::text, 'TEXT_EXTRACTION_FAILED'::text, 'ENCRYPTED_FILE_UNSUPPORTED'::text, 'UNKNOWN_VALIDATION_ERROR'::text]))),
    CONSTRAINT failure_status_is_known CHECK ((status = ANY (ARRAY['pending'::text, 'failed'::text, 'excess'::text]))),
    CONSTRAINT failure_upload_id_is_short CHECK (((char_length(file_upload_id) >= 1) AND (char_length(file_upload_id) <= 255))),
    CONSTRAINT failure_uses_up_an_essay CHECK (((status = 'failed'::text) = (essay_id IS NOT NULL)))
)
WITH (fillfactor='80');
CREATE VIEW domain.slot AS
 SELECT slot.batch_id,
    batch.owner AS user_id,
    slot."position",
    slot.essay_id,
    slot.status,
    slot.text_storage_id,
    slot.file_upload_id,
    COALESCE(content.original_file_name, failure.original_file_name) AS original_file_name,
    failure.code AS validation_error_code,
    association.status AS association_status,
    association.student_id,
    association.student_name,
    association.method,
    slot.taken_at
   FROM ((((school.slot
     JOIN school.batch USING (batch_id))
     LEFT JOIN school.content USING (batch_id, text_storage_id))
     LEFT JOIN school.failure ON (((failure.batch_id = slot.batch_id) AND (failure.file_upload_id = slot.file_upload_id) AND (slot.status = 'failed'::text))))
     LEFT JOIN school.association ON (((association.batch_id = slot.batch_id) AND (association.essay_id = slot.essay_id))));
CREATE VIEW domain.student AS
 SELECT student_id,
    owner AS user_id,
    first_name,
    last_name,
    legal_full_name,
    email,
    ARRAY( SELECT enrolment.class_id
           FROM school.enrolment
          WHERE (enrolment.student_id = student.student_id)
          ORDER BY enrolment.class_id) AS class_ids,
    created_at,
    updated_at
   FROM school.student;
CREATE VIEW outbox.all_commands AS
 SELECT true AS allowed;
CREATE VIEW outbox.all_topics AS
 SELECT true AS allowed;
CREATE TABLE outbox.application_sequence (
    sequence text NOT NULL,
    highest text NOT NULL,
    renumber text NOT NULL
);
CREATE TABLE outbox.bound (
    rule text NOT NULL,
    bytes integer,
    CONSTRAINT bound_is_raised CHECK ((bytes >=
CASE rule
    WHEN 'event_fits_a_record'::text THEN 1047552
    WHEN 'event_type_is_short'::text THEN 255
    WHEN 'event_headers_are_bounded'::text THEN 65536
    ELSE NULL::integer
END))
);
CREATE TABLE outbox.command (
    command_id uuid DEFAULT gen_random_uuid() NOT NULL,
    seq bigint NOT NULL,
    type text NOT NULL,
    key text NOT NULL COLLATE pg_catalog."C",
    actor text NOT NULL,
    payload jsonb NOT NULL,
    correlation_id uuid,
    status text DEFAULT 'queued'::text NOT NULL,
    result jsonb,
    error jsonb,
    submitted_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    finished_at timestamp with time zone,
    failures smallint DEFAULT 0 NOT NULL,
    retry_at timestamp with time zone,
    writer text DEFAULT SESSION_USER,
    CONSTRAINT command_actor_is_short CHECK (((char_length(actor) >= 1) AND (char_length(actor) <= 255))),
    CONSTRAINT command_key_is_short CHECK (((char_length(key) >= 1) AND (char_length(key) <= 255))),
    CONSTRAINT command_outcome_fits_its_status CHECK (
CASE status
    WHEN 'queued'::text THEN ((result IS NULL) AND (error IS NULL) AND (finished_at IS NULL))
    WHEN 'succeeded'::text THEN (COALESCE((jsonb_typeof(result) = 'object'::text), false) AND (error IS NULL) AND (finished_at IS NOT NULL))
    WHEN 'rejected'::text THEN (COALESCE((jsonb_typeof(error) = 'object'::text), false) AND (result IS NULL) AND (finished_at IS NOT NULL))
    ELSE false
END),
    CONSTRAINT command_payload_is_an_object CHECK (((status <> 'queued'::text) OR (jsonb_typeof(payload) = 'object'::text))),
    CONSTRAINT command_payload_is_at_most_4_mb CHECK (((status <> 'queued'::text) OR (octet_length((payload)::text) <= 4194304))),
    CONSTRAINT command_type_is_short CHECK (((char_length(type) >= 1) AND (char_length(type) <= 100)))
)
WITH (fillfactor='85', autovacuum_vacuum_scale_factor='0.01', autovacuum_vacuum_cost_delay='0');
CREATE TABLE outbox.command_history (
    command_id uuid NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    what text NOT NULL,
    attempt smallint NOT NULL,
    written_by text NOT NULL,
    error_type text,
    error text,
    place text,
    CONSTRAINT command_history_what_is_known CHECK ((what = ANY (ARRAY['failed'::text, 'refused'::text, 'set_aside'::text, 'retried'::text])))
);
CREATE TABLE outbox.command_right (
    role regrole NOT NULL,
    type text NOT NULL,
    actor text DEFAULT '*'::text NOT NULL,
    type_like text GENERATED ALWAYS AS (outbox.as_like(type)) STORED NOT NULL,
    actor_like text GENERATED ALWAYS AS (outbox.as_like(actor)) STORED NOT NULL,
    CONSTRAINT command_right_actor_is_not_empty CHECK ((actor <> ''::text)),
    CONSTRAINT command_right_type_is_not_empty CHECK ((type <> ''::text))
);
ALTER TABLE outbox.command ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME outbox.command_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE outbox.database_right (
    role regrole NOT NULL
);
CREATE VIEW outbox.dead_letter AS
 SELECT letter.event_id,
    letter.topic,
    letter.key,
    letter.type,
    letter.reason,
    letter.code,
    first.event_id AS behind,
    letter.parked_at,
    letter.state,
    letter.decided_by,
    letter.decided_at,
    letter.attempts,
    letter.parked_by,
    letter.to_topic,
    letter.shard,
    letter.id,
    letter.created_at
   FROM (outbox.dead_letter_event letter
     LEFT JOIN outbox.dead_letter_event first ON ((first.id = letter.behind)));
CREATE SEQUENCE outbox.dead_letter_request_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
CREATE TABLE outbox.dead_letter_order (
    id bigint NOT NULL,
    request bigint DEFAULT nextval('outbox.dead_letter_request_seq'::regclass) NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    action text NOT NULL,
    shard smallint,
    topic text,
    key text,
    event bigint,
    event_xid xid8,
    to_topic text,
    rate double precision,
    reason text,
    ordered_by text DEFAULT SESSION_USER NOT NULL,
    ordered_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    state text DEFAULT 'open'::text NOT NULL,
    events bigint DEFAULT 0 NOT NULL,
    outcome text,
    ended_at timestamp with time zone,
    CONSTRAINT dead_letter_order_has_a_rate CHECK (((rate > (0)::double precision) AND (rate < 'Infinity'::double precision))),
    CONSTRAINT dead_letter_order_has_a_state CHECK ((state = ANY (ARRAY['open'::text, 'done'::text, 'failed'::text]))),
    CONSTRAINT dead_letter_order_has_an_action CHECK ((action = ANY (ARRAY['park'::text, 'redrive'::text]))),
    CONSTRAINT redrive_is_to_a_topic_of_events CHECK (((to_topic IS NULL) OR (((to_topic COLLATE "C") ~ '^[A-Za-z0-9._-]{1,249}$'::text) AND (to_topic <> ALL (ARRAY['.'::text, '..'::text, 'outbox.shards'::text, 'outbox_shards'::text])) AND (NOT starts_with(to_topic, '__'::text)))))
);
ALTER TABLE outbox.dead_letter_order ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME outbox.dead_letter_order_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE outbox.dead_letter_shard (
    shard smallint NOT NULL,
    epoch bigint DEFAULT 0 NOT NULL,
    number bigint DEFAULT 0 NOT NULL,
    CONSTRAINT dead_letter_shard_shard_check CHECK (((shard >= 0) AND (shard <= (outbox.shard_count() - 1))))
)
WITH (fillfactor='50');
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
    content_type text CONSTRAINT event_content_type_not_null NOT NULL,
    horizon xid8 DEFAULT pg_snapshot_xmin(pg_current_snapshot()),
    writer text DEFAULT SESSION_USER
);
CREATE TABLE outbox.hold (
    shard smallint NOT NULL,
    id bigint NOT NULL,
    reason text NOT NULL,
    since timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT hold_shard_check CHECK (((shard >= 0) AND (shard <= (outbox.shard_count() - 1))))
);
COMMENT ON TABLE outbox.hold IS 'of workers before outbox.shard_state; nothing reads it';
CREATE TABLE outbox.idempotency_key (
    writer text DEFAULT SESSION_USER NOT NULL COLLATE pg_catalog."C",
    topic text CONSTRAINT idempotency_key_topic_not_null1 NOT NULL COLLATE pg_catalog."C",
    key text CONSTRAINT idempotency_key_key_not_null1 NOT NULL COLLATE pg_catalog."C",
    event_id uuid CONSTRAINT idempotency_key_event_id_not_null1 NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() CONSTRAINT idempotency_key_created_at_not_null1 NOT NULL,
    digest bytea DEFAULT outbox.refuse_old_call()
);
CREATE VIEW outbox.lag AS
 WITH place AS (
         SELECT (shard.shard)::smallint AS shard,
            COALESCE("position".seen, '1:1:'::pg_snapshot) AS seen,
            "position".upper,
            "position".cursor,
            "position".updated_at,
            "position".worker
           FROM (generate_series(0, (outbox.shard_count() - 1)) shard(shard)
             LEFT JOIN outbox."position" USING (shard))
        ), bound AS (
         SELECT pg_snapshot_xmax(place.seen) AS xmax
           FROM place
          ORDER BY (pg_snapshot_xmax(place.seen))
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
          WHERE ((event.xid = ANY (ARRAY( SELECT pg_snapshot_xip(place.seen) AS pg_snapshot_xip
                   FROM place))) AND (event.xid < ( SELECT bound.xmax
                   FROM bound)))
        ), waiting AS (
         SELECT unseen.shard,
            count(*) AS events,
            min(unseen.created_at) AS oldest
           FROM (unseen
             JOIN place USING (shard))
          WHERE ((NOT pg_visible_in_snapshot(unseen.xid, place.seen)) AND (NOT ((place.upper IS NOT NULL) AND (unseen.id <= place.cursor) AND pg_visible_in_snapshot(unseen.xid, place.upper))))
          GROUP BY unseen.shard
        ), counted AS (
         SELECT place.shard,
            place.updated_at,
            place.worker,
            waiting.oldest,
            COALESCE(waiting.events, (0)::bigint) AS events,
            clock_timestamp() AS now
           FROM (place
             LEFT JOIN waiting USING (shard))
        ), said AS (
         SELECT counted.shard,
            counted.updated_at,
            counted.worker,
            counted.oldest,
            counted.events,
            counted.now,
            kept.reason,
            kept.hint,
            kept.event_id,
            kept.topic,
            kept.since,
            (kept.state = 'no_worker'::text) AS has_stopped,
                CASE
                    WHEN ((kept.state <> 'no_worker'::text) AND (kept.seen_at > (counted.now - '00:00:15'::interval))) THEN kept.state
                    WHEN (counted.updated_at > GREATEST((counted.now - '00:00:15'::interval), kept.seen_at)) THEN 'up_to_date'::text
                    WHEN ((kept.shard IS NULL) AND (counted.updated_at IS NULL) AND (counted.events = 0)) THEN 'unused'::text
                    WHEN ((kept.shard IS NULL) AND (counted.updated_at IS NOT NULL) AND COALESCE((counted.oldest > (counted.now - '00:00:30'::interval)), true)) THEN 'up_to_date'::text
                    ELSE 'no_worker'::text
                END AS word
           FROM (counted
             LEFT JOIN outbox.shard_state kept USING (shard))
        ), judged AS (
         SELECT said.shard,
            said.updated_at,
            said.worker,
            said.oldest,
            said.events,
            said.now,
            said.reason,
            said.hint,
            said.event_id,
            said.topic,
            said.since,
            said.has_stopped,
            said.word,
                CASE
                    WHEN (said.word <> ALL (ARRAY['up_to_date'::text, 'catching_up'::text])) THEN said.word
                    WHEN (said.events = 0) THEN 'up_to_date'::text
                    WHEN (GREATEST(said.oldest, said.updated_at, said.since) < (said.now - '00:00:30'::interval)) THEN 'held'::text
                    ELSE 'catching_up'::text
                END AS state
           FROM said
        )
 SELECT shard,
    events,
    (COALESCE(EXTRACT(epoch FROM (now - oldest)), (0)::numeric))::double precision AS seconds,
    updated_at AS position_time,
    worker,
    state,
        CASE
            WHEN ((state = 'no_worker'::text) AND has_stopped) THEN reason
            WHEN (state = 'no_worker'::text) THEN 'no worker gives a sign of life for it'::text
            WHEN ((state = 'held'::text) AND (word <> 'held'::text)) THEN 'its worker publishes nothing of it and does not say why'::text
            WHEN (state = word) THEN reason
            ELSE NULL::text
        END AS reason,
        CASE
            WHEN (state = 'no_worker'::text) THEN 'Ask `outbox-worker doctor`, then start a worker with `outbox-worker run`; if one runs, see its log'::text
            WHEN ((state = 'held'::text) AND (word <> 'held'::text)) THEN 'See the log of the worker'::text
            WHEN (state = word) THEN hint
            ELSE NULL::text
        END AS hint,
        CASE
            WHEN ((state = 'held'::text) AND (word = 'held'::text)) THEN event_id
            ELSE NULL::uuid
        END AS event,
        CASE
            WHEN ((state = 'held'::text) AND (word = 'held'::text)) THEN topic
            ELSE NULL::text
        END AS topic,
        CASE
            WHEN ((state = word) OR (state = 'no_worker'::text)) THEN since
            ELSE NULL::timestamp with time zone
        END AS since
   FROM judged;
CREATE TABLE outbox.last_purge (
    one boolean DEFAULT true NOT NULL,
    finished_at timestamp with time zone NOT NULL,
    older_than_days integer NOT NULL,
    written_by text NOT NULL,
    CONSTRAINT last_purge_is_one_row CHECK (one)
);
CREATE TABLE outbox.migration (
    owner text NOT NULL,
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
CREATE TABLE outbox.schema_usage (
    schema_name text NOT NULL,
    role regrole NOT NULL,
    is_shared boolean NOT NULL
);
CREATE VIEW outbox.sequence AS
 SELECT 'outbox.event_id_seq'::text AS name,
        CASE
            WHEN event_id_seq.is_called THEN event_id_seq.last_value
            ELSE (0)::bigint
        END AS reached,
    GREATEST(( SELECT max(event.id) AS max
           FROM outbox.event), ( SELECT purged.id
           FROM outbox.purged), ( SELECT GREATEST(max("position".cursor), max("position".floor)) AS "greatest"
           FROM outbox."position"), (0)::bigint) AS highest
   FROM outbox.event_id_seq
UNION ALL
 SELECT 'outbox.command_seq_seq'::text AS name,
        CASE
            WHEN command_seq_seq.is_called THEN command_seq_seq.last_value
            ELSE (0)::bigint
        END AS reached,
    COALESCE(( SELECT max(command.seq) AS max
           FROM outbox.command
          WHERE (command.status = 'queued'::text)), (0)::bigint) AS highest
   FROM outbox.command_seq_seq
UNION ALL
 SELECT 'outbox.dead_letter_order_id_seq'::text AS name,
        CASE
            WHEN dead_letter_order_id_seq.is_called THEN dead_letter_order_id_seq.last_value
            ELSE (0)::bigint
        END AS reached,
    GREATEST(( SELECT max(dead_letter_order.id) AS max
           FROM outbox.dead_letter_order), ( SELECT max((dead_letter_event.refused_in + 0)) AS max
           FROM outbox.dead_letter_event
          WHERE (dead_letter_event.refused_in IS NOT NULL)), (0)::bigint) AS highest
   FROM outbox.dead_letter_order_id_seq
UNION ALL
 SELECT 'outbox.dead_letter_request_seq'::text AS name,
        CASE
            WHEN dead_letter_request_seq.is_called THEN dead_letter_request_seq.last_value
            ELSE (0)::bigint
        END AS reached,
    COALESCE(( SELECT max(dead_letter_order.request) AS max
           FROM outbox.dead_letter_order), (0)::bigint) AS highest
   FROM outbox.dead_letter_request_seq
UNION ALL
 SELECT list_application_sequences.name,
    list_application_sequences.reached,
    list_application_sequences.highest
   FROM outbox.list_application_sequences() list_application_sequences(name, reached, highest);
CREATE TABLE outbox.source (
    role regrole NOT NULL,
    source text NOT NULL,
    CONSTRAINT source_is_short CHECK (((octet_length(source) >= 1) AND (octet_length(source) <= 500)))
);
CREATE TABLE outbox.topic (
    topic text NOT NULL,
    topic_id text NOT NULL,
    made_again_at timestamp with time zone
);
CREATE TABLE outbox.topic_right (
    role regrole NOT NULL,
    topic text NOT NULL,
    topic_like text GENERATED ALWAYS AS (outbox.as_like(topic)) STORED NOT NULL,
    CONSTRAINT topic_right_topic_is_not_empty CHECK ((topic <> ''::text))
);
CREATE TABLE outbox.unowned_idempotency_key (
    topic text CONSTRAINT idempotency_key_topic_not_null NOT NULL,
    key text CONSTRAINT idempotency_key_key_not_null NOT NULL,
    event_id uuid CONSTRAINT idempotency_key_event_id_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() CONSTRAINT idempotency_key_created_at_not_null NOT NULL,
    CONSTRAINT idempotency_key_is_short CHECK (((octet_length(key) >= 1) AND (octet_length(key) <= 2400))),
    CONSTRAINT idempotency_key_topic_is_short CHECK ((octet_length(topic) <= 249))
);
CREATE TABLE school.batch_gate (
    batch_id uuid NOT NULL
);
CREATE TABLE school.batch_tally (
    entry uuid DEFAULT gen_random_uuid() NOT NULL,
    class_type text NOT NULL,
    active integer NOT NULL,
    completed integer NOT NULL,
    purged bigint DEFAULT 0 NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='2000', autovacuum_vacuum_cost_delay='0', vacuum_index_cleanup='on');
ALTER TABLE ONLY outbox.event ATTACH PARTITION outbox.event_default DEFAULT;
ALTER TABLE ONLY outbox.application_sequence
    ADD CONSTRAINT application_sequence_pkey PRIMARY KEY (sequence);
ALTER TABLE ONLY outbox.bound
    ADD CONSTRAINT bound_pkey PRIMARY KEY (rule);
ALTER TABLE ONLY outbox.command_history
    ADD CONSTRAINT command_history_pkey PRIMARY KEY (command_id, at);
ALTER TABLE ONLY outbox.command
    ADD CONSTRAINT command_pkey PRIMARY KEY (command_id);
ALTER TABLE ONLY outbox.command_right
    ADD CONSTRAINT command_right_pkey PRIMARY KEY (role, type, actor);
ALTER TABLE ONLY outbox.database_right
    ADD CONSTRAINT database_right_pkey PRIMARY KEY (role);
ALTER TABLE ONLY outbox.dead_letter_event
    ADD CONSTRAINT dead_letter_event_pkey PRIMARY KEY (id);
ALTER TABLE ONLY outbox.dead_letter_order
    ADD CONSTRAINT dead_letter_order_pkey PRIMARY KEY (id);
ALTER TABLE ONLY outbox.dead_letter_shard
    ADD CONSTRAINT dead_letter_shard_pkey PRIMARY KEY (shard);
ALTER TABLE ONLY outbox.event
    ADD CONSTRAINT event_pkey PRIMARY KEY (id, created_at);
ALTER TABLE ONLY outbox.event_default
    ADD CONSTRAINT event_default_pkey PRIMARY KEY (id, created_at);
ALTER TABLE ONLY outbox.hold
    ADD CONSTRAINT hold_pkey PRIMARY KEY (shard);
ALTER TABLE ONLY outbox.idempotency_key
    ADD CONSTRAINT idempotency_key_pkey PRIMARY KEY (writer, topic, key);
ALTER TABLE ONLY outbox.last_purge
    ADD CONSTRAINT last_purge_pkey PRIMARY KEY (one);
ALTER TABLE ONLY outbox.migration
    ADD CONSTRAINT migration_pkey PRIMARY KEY (owner, number);
ALTER TABLE ONLY outbox."position"
    ADD CONSTRAINT position_pkey PRIMARY KEY (shard);
ALTER TABLE ONLY outbox.purged
    ADD CONSTRAINT purged_pkey PRIMARY KEY (one);
ALTER TABLE ONLY outbox.schema_usage
    ADD CONSTRAINT schema_usage_pkey PRIMARY KEY (schema_name, role, is_shared);
ALTER TABLE ONLY outbox.shard_state
    ADD CONSTRAINT shard_state_pkey PRIMARY KEY (shard);
ALTER TABLE ONLY outbox.source
    ADD CONSTRAINT source_pkey PRIMARY KEY (role);
ALTER TABLE ONLY outbox.topic
    ADD CONSTRAINT topic_pkey PRIMARY KEY (topic);
ALTER TABLE ONLY outbox.topic_right
    ADD CONSTRAINT topic_right_pkey PRIMARY KEY (role, topic);
ALTER TABLE ONLY outbox.unowned_idempotency_key
    ADD CONSTRAINT unowned_idempotency_key_pkey PRIMARY KEY (topic, key);
ALTER TABLE ONLY school.association
    ADD CONSTRAINT association_pkey PRIMARY KEY (batch_id, essay_id);
ALTER TABLE ONLY school.batch_gate
    ADD CONSTRAINT batch_gate_pkey PRIMARY KEY (batch_id);
ALTER TABLE ONLY school.batch
    ADD CONSTRAINT batch_pkey PRIMARY KEY (batch_id);
ALTER TABLE ONLY school.batch_tally
    ADD CONSTRAINT batch_tally_pkey PRIMARY KEY (entry);
ALTER TABLE ONLY school.class
    ADD CONSTRAINT class_pkey PRIMARY KEY (class_id);
ALTER TABLE ONLY school.content
    ADD CONSTRAINT content_pkey PRIMARY KEY (batch_id, text_storage_id);
ALTER TABLE ONLY school.course
    ADD CONSTRAINT course_pkey PRIMARY KEY (code);
ALTER TABLE ONLY school.enrolment
    ADD CONSTRAINT enrolment_pkey PRIMARY KEY (class_id, student_id);
ALTER TABLE ONLY school.failure
    ADD CONSTRAINT failure_pkey PRIMARY KEY (batch_id, file_upload_id);
ALTER TABLE ONLY school.slot
    ADD CONSTRAINT slot_essay_is_in_the_batch_once UNIQUE (batch_id, essay_id);
ALTER TABLE ONLY school.slot
    ADD CONSTRAINT slot_pkey PRIMARY KEY (batch_id, "position");
ALTER TABLE ONLY school.student
    ADD CONSTRAINT student_email_is_unique_per_owner UNIQUE (owner, email_key);
ALTER TABLE ONLY school.student
    ADD CONSTRAINT student_pkey PRIMARY KEY (student_id);
CREATE INDEX command_finished_idx ON outbox.command USING btree (finished_at) WHERE (finished_at IS NOT NULL);
CREATE INDEX command_history_set_aside_idx ON outbox.command_history USING btree (at) WHERE (what = 'set_aside'::text);
CREATE INDEX command_queued_idx ON outbox.command USING btree (key, seq) WHERE (status = 'queued'::text);
CREATE INDEX dead_letter_event_day_idx ON outbox.dead_letter_event USING btree (created_at) WHERE (state = ANY (ARRAY['parked'::text, 'redriving'::text]));
CREATE INDEX dead_letter_event_event_id_idx ON outbox.dead_letter_event USING btree (event_id);
CREATE INDEX dead_letter_event_open_idx ON outbox.dead_letter_event USING btree (shard, topic, key, id) WHERE (state = ANY (ARRAY['parked'::text, 'redriving'::text]));
CREATE INDEX dead_letter_event_parked_idx ON outbox.dead_letter_event USING btree (shard, id) WHERE (state = 'parked'::text);
CREATE INDEX dead_letter_event_redriving_idx ON outbox.dead_letter_event USING btree (shard) WHERE (state = 'redriving'::text);
CREATE INDEX dead_letter_event_refused_idx ON outbox.dead_letter_event USING btree (shard, topic, key, refused_in) WHERE ((refused_in IS NOT NULL) AND (state = ANY (ARRAY['parked'::text, 'redriving'::text])));
CREATE INDEX dead_letter_event_refused_in_idx ON outbox.dead_letter_event USING btree (((refused_in + 0))) WHERE (refused_in IS NOT NULL);
CREATE INDEX dead_letter_event_xid_idx ON outbox.dead_letter_event USING btree (shard, xid);
CREATE INDEX dead_letter_order_open_idx ON outbox.dead_letter_order USING btree (id) WHERE (state = 'open'::text);
CREATE INDEX dead_letter_order_request_idx ON outbox.dead_letter_order USING btree (request);
CREATE INDEX event_xid_shard_idx ON ONLY outbox.event USING btree (xid, shard);
CREATE INDEX event_default_xid_shard_idx ON outbox.event_default USING btree (xid, shard);
CREATE INDEX idempotency_key_created_at_idx ON outbox.idempotency_key USING btree (created_at);
CREATE INDEX unowned_idempotency_key_created_at_idx ON outbox.unowned_idempotency_key USING btree (created_at);
CREATE INDEX association_undecided_idx ON school.association USING btree (suggested_at, batch_id) WHERE (method IS NULL);
CREATE INDEX batch_completed_idx ON school.batch USING btree (class_type, completed_at) WHERE (completed_at IS NOT NULL);
CREATE INDEX batch_open_class_idx ON school.batch USING btree (class_id) WHERE ((class_id IS NOT NULL) AND (completed_at IS NULL));
CREATE INDEX batch_owner_idx ON school.batch USING btree (owner, registered_at DESC, batch_id DESC);
CREATE INDEX class_owner_idx ON school.class USING btree (owner, created_at DESC, class_id DESC);
CREATE INDEX content_pending_idx ON school.content USING btree (batch_id, arrival) WHERE (status = 'pending'::text);
CREATE INDEX content_waiting_idx ON school.content USING btree (arrived_at) WHERE (status = 'pending'::text);
CREATE INDEX enrolment_student_idx ON school.enrolment USING btree (student_id, class_id);
CREATE INDEX failure_pending_idx ON school.failure USING btree (batch_id, arrival) WHERE (status = 'pending'::text);
CREATE INDEX failure_waiting_idx ON school.failure USING btree (arrived_at) WHERE (status = 'pending'::text);
CREATE UNIQUE INDEX slot_fails_once_for_an_upload ON school.slot USING btree (batch_id, file_upload_id) WHERE (status = 'failed'::text);
CREATE INDEX slot_free_idx ON school.slot USING btree (batch_id, "position") WHERE (status = 'free'::text);
CREATE UNIQUE INDEX slot_holds_a_text_once ON school.slot USING btree (batch_id, text_storage_id) WHERE (text_storage_id IS NOT NULL);
CREATE INDEX student_owner_idx ON school.student USING btree (owner, created_at DESC, student_id DESC);
ALTER INDEX outbox.event_pkey ATTACH PARTITION outbox.event_default_pkey;
ALTER INDEX outbox.event_xid_shard_idx ATTACH PARTITION outbox.event_default_xid_shard_idx;
CREATE TRIGGER check_command_right BEFORE INSERT ON outbox.command FOR EACH ROW WHEN ((NOT has_table_privilege(SESSION_USER, ('outbox.all_commands'::regclass)::oid, 'REFERENCES'::text))) EXECUTE FUNCTION outbox.check_command_right();
CREATE TRIGGER mark_rights AFTER INSERT OR DELETE OR UPDATE OR TRUNCATE ON outbox.command_right FOR EACH STATEMENT EXECUTE FUNCTION outbox.mark_rights();
CREATE TRIGGER mark_rights AFTER INSERT OR DELETE OR UPDATE OR TRUNCATE ON outbox.topic_right FOR EACH STATEMENT EXECUTE FUNCTION outbox.mark_rights();
CREATE TRIGGER name_content BEFORE INSERT ON outbox.event FOR EACH ROW WHEN ((new.content_type IS NULL)) EXECUTE FUNCTION outbox.name_content();
CREATE TRIGGER note_database_right AFTER INSERT OR DELETE OR UPDATE OR TRUNCATE ON outbox.database_right FOR EACH STATEMENT EXECUTE FUNCTION outbox.note_database_right();
CREATE TRIGGER validate_event BEFORE INSERT OR UPDATE OF topic, key, type, headers, payload, content_type ON outbox.event FOR EACH ROW WHEN ((((new.content_type = 'application/json'::text) AND ((octet_length(new.topic) >= 1) AND (octet_length(new.topic) <= 249)) AND (new.topic !~ '[^a-zA-Z0-9._-]|^[^a-zA-Z]|^outbox'::text) AND ((octet_length(new.type) >= 1) AND (octet_length(new.type) <= 255)) AND ((new.key IS NULL) OR (octet_length(new.key) <= 10000)) AND ((new.payload IS NULL) OR (octet_length(new.payload) <= 900000)) AND ((new.headers IS NULL) OR ((octet_length((new.headers)::text) <= 65536) AND ((new.headers)::text !~* '"(ce_|content-|__|")|[[{].*[[{]|^[^{]'::text))) AND has_table_privilege(SESSION_USER, ('outbox.all_topics'::regclass)::oid, 'REFERENCES'::text)) IS NOT TRUE)) EXECUTE FUNCTION outbox.validate_event();
CREATE TRIGGER wait_for_others BEFORE INSERT OR DELETE OR UPDATE OR TRUNCATE ON outbox.command_right FOR EACH STATEMENT EXECUTE FUNCTION outbox.mark_rights();
CREATE TRIGGER wait_for_others BEFORE INSERT OR DELETE OR UPDATE OR TRUNCATE ON outbox.database_right FOR EACH STATEMENT EXECUTE FUNCTION outbox.mark_rights();
CREATE TRIGGER wait_for_others BEFORE INSERT OR DELETE OR UPDATE OR TRUNCATE ON outbox.topic_right FOR EACH STATEMENT EXECUTE FUNCTION outbox.mark_rights();
ALTER TABLE ONLY school.association
    ADD CONSTRAINT association_batch_exists FOREIGN KEY (batch_id) REFERENCES school.batch(batch_id);
ALTER TABLE ONLY school.batch
    ADD CONSTRAINT batch_course_is_known FOREIGN KEY (course_code) REFERENCES school.course(code);
ALTER TABLE ONLY school.batch_gate
    ADD CONSTRAINT batch_gate_batch_exists FOREIGN KEY (batch_id) REFERENCES school.batch(batch_id) ON DELETE CASCADE;
ALTER TABLE ONLY school.class
    ADD CONSTRAINT class_course_is_known FOREIGN KEY (course_code) REFERENCES school.course(code);
ALTER TABLE ONLY school.enrolment
    ADD CONSTRAINT enrolment_class_exists FOREIGN KEY (class_id) REFERENCES school.class(class_id) ON DELETE CASCADE;
ALTER TABLE ONLY school.enrolment
    ADD CONSTRAINT enrolment_student_exists FOREIGN KEY (student_id) REFERENCES school.student(student_id) ON DELETE CASCADE;
ALTER TABLE ONLY school.slot
    ADD CONSTRAINT slot_batch_exists FOREIGN KEY (batch_id) REFERENCES school.batch(batch_id);
ALTER TABLE outbox.command ENABLE ROW LEVEL SECURITY;
CREATE POLICY others_have_what_was_granted ON outbox.command USING (((NOT pg_has_role(CURRENT_USER, 'outbox_writer'::name, 'usage'::text)) AND (NOT pg_has_role(CURRENT_USER, 'outbox_purge'::name, 'usage'::text)))) WITH CHECK (((NOT pg_has_role(CURRENT_USER, 'outbox_writer'::name, 'usage'::text)) AND (NOT pg_has_role(CURRENT_USER, 'outbox_purge'::name, 'usage'::text))));
CREATE POLICY purge_locks_finished ON outbox.command FOR UPDATE TO outbox_purge USING ((finished_at IS NOT NULL));
CREATE POLICY purge_removes_finished ON outbox.command FOR DELETE TO outbox_purge USING ((finished_at IS NOT NULL));
CREATE POLICY reader_reads_all ON outbox.command FOR SELECT TO outbox_reader USING (true);
CREATE POLICY worker_finishes ON outbox.command FOR UPDATE TO outbox_worker, outbox_commands USING (true);
CREATE POLICY worker_reads_all ON outbox.command FOR SELECT TO outbox_worker, outbox_commands, outbox_purge, outbox_operator USING (true);
CREATE POLICY writer_adds ON outbox.command FOR INSERT TO outbox_writer WITH CHECK (true);
CREATE POLICY writer_reads_own ON outbox.command FOR SELECT TO outbox_writer USING (((writer = SESSION_USER) OR (writer IS NULL)));
GRANT USAGE ON SCHEMA domain TO outbox_reader;
GRANT USAGE ON SCHEMA domain TO outbox_domain;
GRANT USAGE ON SCHEMA outbox TO outbox_writer;
GRANT USAGE ON SCHEMA outbox TO outbox_worker;
GRANT USAGE ON SCHEMA outbox TO outbox_reader;
GRANT USAGE ON SCHEMA outbox TO outbox_relay;
GRANT USAGE ON SCHEMA outbox TO outbox_commands;
GRANT USAGE ON SCHEMA outbox TO outbox_purge;
GRANT USAGE ON SCHEMA outbox TO outbox_operator;
GRANT USAGE ON SCHEMA school TO outbox_domain;
GRANT USAGE ON SCHEMA school TO outbox_purge;
REVOKE ALL ON FUNCTION outbox.add_partition(day date) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.add_partition(day date) TO outbox_worker;
GRANT ALL ON FUNCTION outbox.add_partition(day date) TO outbox_relay;
REVOKE ALL ON FUNCTION outbox.apply_database_rights() FROM PUBLIC;
REVOKE ALL ON FUNCTION outbox.as_like(pattern text) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.as_like(pattern text) TO outbox_operator;
REVOKE ALL ON FUNCTION outbox.catch_up() FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.catch_up() TO outbox_operator;
REVOKE ALL ON FUNCTION outbox.check_command_right() FROM PUBLIC;
REVOKE ALL ON FUNCTION outbox.discard(topic text, key text, event_id uuid, everything boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.discard(topic text, key text, event_id uuid, everything boolean) TO outbox_operator;
REVOKE ALL ON FUNCTION outbox.drop_partition(day date) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.drop_partition(day date) TO outbox_purge;
GRANT USAGE ON SEQUENCE outbox.event_id_seq TO outbox_writer;
GRANT USAGE ON SEQUENCE outbox.event_id_seq TO outbox_commands;
GRANT SELECT ON TABLE outbox.event TO outbox_reader;
GRANT SELECT ON TABLE outbox.event TO outbox_worker;
GRANT SELECT ON TABLE outbox.event TO outbox_relay;
GRANT SELECT,DELETE ON TABLE outbox.event TO outbox_operator;
GRANT SELECT(id) ON TABLE outbox.event TO outbox_writer;
GRANT SELECT(id) ON TABLE outbox.event TO outbox_commands;
GRANT SELECT(id) ON TABLE outbox.event TO outbox_purge;
GRANT SELECT(xid) ON TABLE outbox.event TO outbox_purge;
GRANT UPDATE(xid) ON TABLE outbox.event TO outbox_operator;
GRANT SELECT(shard) ON TABLE outbox.event TO outbox_purge;
GRANT SELECT(created_at) ON TABLE outbox.event TO outbox_writer;
GRANT SELECT(created_at) ON TABLE outbox.event TO outbox_commands;
GRANT SELECT(created_at) ON TABLE outbox.event TO outbox_purge;
GRANT SELECT(event_id),INSERT(event_id) ON TABLE outbox.event TO outbox_writer;
GRANT SELECT(event_id),INSERT(event_id) ON TABLE outbox.event TO outbox_commands;
GRANT SELECT(event_id) ON TABLE outbox.event TO outbox_purge;
GRANT INSERT(topic) ON TABLE outbox.event TO outbox_writer;
GRANT INSERT(topic) ON TABLE outbox.event TO outbox_commands;
GRANT UPDATE(topic) ON TABLE outbox.event TO outbox_operator;
GRANT INSERT(key) ON TABLE outbox.event TO outbox_writer;
GRANT INSERT(key) ON TABLE outbox.event TO outbox_commands;
GRANT UPDATE(key) ON TABLE outbox.event TO outbox_operator;
GRANT INSERT(type) ON TABLE outbox.event TO outbox_writer;
GRANT INSERT(type) ON TABLE outbox.event TO outbox_commands;
GRANT UPDATE(type) ON TABLE outbox.event TO outbox_operator;
GRANT INSERT(headers) ON TABLE outbox.event TO outbox_writer;
GRANT INSERT(headers) ON TABLE outbox.event TO outbox_commands;
GRANT UPDATE(headers) ON TABLE outbox.event TO outbox_operator;
GRANT INSERT(payload) ON TABLE outbox.event TO outbox_writer;
GRANT INSERT(payload) ON TABLE outbox.event TO outbox_commands;
GRANT UPDATE(payload) ON TABLE outbox.event TO outbox_operator;
GRANT SELECT(content_type),INSERT(content_type) ON TABLE outbox.event TO outbox_writer;
GRANT SELECT(content_type),INSERT(content_type) ON TABLE outbox.event TO outbox_commands;
GRANT UPDATE(content_type) ON TABLE outbox.event TO outbox_operator;
GRANT UPDATE(horizon) ON TABLE outbox.event TO outbox_operator;
REVOKE ALL ON FUNCTION outbox.find_event(event_id uuid, written_at timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION outbox.shard_count() FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.shard_count() TO outbox_writer;
GRANT ALL ON FUNCTION outbox.shard_count() TO outbox_worker;
GRANT ALL ON FUNCTION outbox.shard_count() TO outbox_reader;
GRANT ALL ON FUNCTION outbox.shard_count() TO outbox_relay;
GRANT ALL ON FUNCTION outbox.shard_count() TO outbox_commands;
GRANT ALL ON FUNCTION outbox.shard_count() TO outbox_purge;
GRANT ALL ON FUNCTION outbox.shard_count() TO outbox_operator;
GRANT SELECT ON TABLE outbox.dead_letter_event TO outbox_reader;
GRANT SELECT ON TABLE outbox.dead_letter_event TO outbox_worker;
GRANT SELECT,INSERT ON TABLE outbox.dead_letter_event TO outbox_relay;
GRANT SELECT,DELETE ON TABLE outbox.dead_letter_event TO outbox_operator;
GRANT SELECT(id) ON TABLE outbox.dead_letter_event TO outbox_purge;
GRANT SELECT(created_at) ON TABLE outbox.dead_letter_event TO outbox_purge;
GRANT UPDATE(xid) ON TABLE outbox.dead_letter_event TO outbox_operator;
GRANT SELECT(xid) ON TABLE outbox.dead_letter_event TO outbox_purge;
GRANT SELECT(event_id) ON TABLE outbox.dead_letter_event TO outbox_purge;
GRANT UPDATE(reason) ON TABLE outbox.dead_letter_event TO outbox_relay;
GRANT UPDATE(code) ON TABLE outbox.dead_letter_event TO outbox_relay;
GRANT UPDATE(state) ON TABLE outbox.dead_letter_event TO outbox_relay;
GRANT UPDATE(state) ON TABLE outbox.dead_letter_event TO outbox_operator;
GRANT SELECT(state) ON TABLE outbox.dead_letter_event TO outbox_purge;
GRANT UPDATE(number) ON TABLE outbox.dead_letter_event TO outbox_relay;
GRANT UPDATE(number) ON TABLE outbox.dead_letter_event TO outbox_operator;
GRANT UPDATE(to_topic) ON TABLE outbox.dead_letter_event TO outbox_relay;
GRANT UPDATE(attempts) ON TABLE outbox.dead_letter_event TO outbox_relay;
GRANT UPDATE(refused_in) ON TABLE outbox.dead_letter_event TO outbox_relay;
GRANT UPDATE(decided_by) ON TABLE outbox.dead_letter_event TO outbox_relay;
GRANT UPDATE(decided_by) ON TABLE outbox.dead_letter_event TO outbox_operator;
GRANT UPDATE(decided_at) ON TABLE outbox.dead_letter_event TO outbox_relay;
GRANT UPDATE(decided_at) ON TABLE outbox.dead_letter_event TO outbox_operator;
GRANT SELECT(decided_at) ON TABLE outbox.dead_letter_event TO outbox_purge;
GRANT SELECT ON TABLE outbox."position" TO outbox_reader;
GRANT SELECT,INSERT,UPDATE ON TABLE outbox."position" TO outbox_worker;
GRANT SELECT,INSERT,UPDATE ON TABLE outbox."position" TO outbox_relay;
GRANT SELECT ON TABLE outbox."position" TO outbox_purge;
GRANT SELECT,INSERT,UPDATE ON TABLE outbox."position" TO outbox_operator;
GRANT SELECT ON TABLE outbox.shard_state TO outbox_reader;
GRANT SELECT ON TABLE outbox.shard_state TO outbox_worker;
GRANT SELECT,INSERT,UPDATE ON TABLE outbox.shard_state TO outbox_relay;
GRANT SELECT ON TABLE outbox.shard_state TO outbox_operator;
REVOKE ALL ON FUNCTION outbox.event_state(event_id uuid, written_at timestamp with time zone, OUT state text, OUT reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.event_state(event_id uuid, written_at timestamp with time zone, OUT state text, OUT reason text) TO outbox_writer;
GRANT ALL ON FUNCTION outbox.event_state(event_id uuid, written_at timestamp with time zone, OUT state text, OUT reason text) TO outbox_reader;
GRANT ALL ON FUNCTION outbox.event_state(event_id uuid, written_at timestamp with time zone, OUT state text, OUT reason text) TO outbox_worker;
REVOKE ALL ON FUNCTION outbox.find_waiting(event_id uuid) FROM PUBLIC;
REVOKE ALL ON FUNCTION outbox.hand_over(owner text, schemas text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION outbox.has_unpublished(day date) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.has_unpublished(day date) TO outbox_purge;
GRANT ALL ON FUNCTION outbox.has_unpublished(day date) TO outbox_operator;
REVOKE ALL ON FUNCTION outbox.list_application_sequences() FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.list_application_sequences() TO outbox_reader;
GRANT ALL ON FUNCTION outbox.list_application_sequences() TO outbox_worker;
GRANT ALL ON FUNCTION outbox.list_application_sequences() TO outbox_relay;
GRANT ALL ON FUNCTION outbox.list_application_sequences() TO outbox_commands;
GRANT ALL ON FUNCTION outbox.list_application_sequences() TO outbox_operator;
REVOKE ALL ON FUNCTION outbox.mark_rights() FROM PUBLIC;
REVOKE ALL ON FUNCTION outbox.needs_right(relation regclass) FROM PUBLIC;
REVOKE ALL ON FUNCTION outbox.note_database_right() FROM PUBLIC;
REVOKE ALL ON FUNCTION outbox.park(topic text, key text, event_id uuid, reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.park(topic text, key text, event_id uuid, reason text) TO outbox_operator;
REVOKE ALL ON FUNCTION outbox.publish(topic text, key text, type text, payload jsonb, event_id uuid, idempotency_key text, headers jsonb, content_type text) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.publish(topic text, key text, type text, payload jsonb, event_id uuid, idempotency_key text, headers jsonb, content_type text) TO outbox_writer;
REVOKE ALL ON FUNCTION outbox.publish_bytes(topic text, key text, type text, payload bytea, event_id uuid, idempotency_key text, headers jsonb, content_type text, schema_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.publish_bytes(topic text, key text, type text, payload bytea, event_id uuid, idempotency_key text, headers jsonb, content_type text, schema_id uuid) TO outbox_writer;
REVOKE ALL ON FUNCTION outbox.purge_dead_letters(beyond bigint, before timestamp with time zone, most bigint, OUT removed bigint, OUT highest bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.purge_dead_letters(beyond bigint, before timestamp with time zone, most bigint, OUT removed bigint, OUT highest bigint) TO outbox_purge;
REVOKE ALL ON FUNCTION outbox.purge_default(beyond bigint, before timestamp with time zone, most bigint, OUT removed bigint, OUT highest bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.purge_default(beyond bigint, before timestamp with time zone, most bigint, OUT removed bigint, OUT highest bigint) TO outbox_purge;
REVOKE ALL ON FUNCTION outbox.redrive(topic text, key text, event_id uuid, to_topic text, rate double precision, everything boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.redrive(topic text, key text, event_id uuid, to_topic text, rate double precision, everything boolean) TO outbox_operator;
REVOKE ALL ON FUNCTION outbox.refuse_old_call() FROM PUBLIC;
REVOKE ALL ON FUNCTION outbox.retry_command(id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.retry_command(id uuid) TO outbox_operator;
REVOKE ALL ON FUNCTION outbox.stop_parking(topic text) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.stop_parking(topic text) TO outbox_operator;
REVOKE ALL ON FUNCTION outbox.submit(type text, key text, payload jsonb, actor text, command_id uuid, correlation_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.submit(type text, key text, payload jsonb, actor text, command_id uuid, correlation_id uuid) TO outbox_writer;
REVOKE ALL ON FUNCTION outbox.validate_event() FROM PUBLIC;
REVOKE ALL ON FUNCTION school.highest_arrival() FROM PUBLIC;
REVOKE ALL ON FUNCTION school.renumber_arrivals(reached bigint) FROM PUBLIC;
GRANT SELECT,INSERT,UPDATE ON TABLE school.batch TO outbox_domain;
GRANT SELECT,DELETE ON TABLE school.batch TO outbox_purge;
GRANT UPDATE(completed_at) ON TABLE school.batch TO outbox_purge;
GRANT SELECT,INSERT,UPDATE ON TABLE school.slot TO outbox_domain;
GRANT SELECT,DELETE ON TABLE school.slot TO outbox_purge;
GRANT SELECT ON TABLE domain.batch TO outbox_reader;
GRANT SELECT ON TABLE domain.batch TO outbox_domain;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE school.class TO outbox_domain;
GRANT SELECT ON TABLE school.course TO outbox_domain;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE school.enrolment TO outbox_domain;
GRANT SELECT ON TABLE domain.class TO outbox_reader;
GRANT SELECT ON TABLE domain.class TO outbox_domain;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE school.student TO outbox_domain;
GRANT SELECT ON TABLE domain.roster TO outbox_reader;
GRANT SELECT ON TABLE domain.roster TO outbox_domain;
GRANT USAGE ON SEQUENCE school.arrival_seq TO outbox_domain;
GRANT SELECT,INSERT,UPDATE ON TABLE school.association TO outbox_domain;
GRANT SELECT,DELETE ON TABLE school.association TO outbox_purge;
GRANT SELECT,INSERT,UPDATE ON TABLE school.content TO outbox_domain;
GRANT SELECT,DELETE ON TABLE school.content TO outbox_purge;
GRANT SELECT,INSERT,UPDATE ON TABLE school.failure TO outbox_domain;
GRANT SELECT,DELETE ON TABLE school.failure TO outbox_purge;
GRANT SELECT ON TABLE domain.slot TO outbox_reader;
GRANT SELECT ON TABLE domain.slot TO outbox_domain;
GRANT SELECT ON TABLE domain.student TO outbox_reader;
GRANT SELECT ON TABLE domain.student TO outbox_domain;
GRANT REFERENCES ON TABLE outbox.all_commands TO outbox_writer;
GRANT REFERENCES ON TABLE outbox.all_commands TO outbox_worker;
GRANT REFERENCES ON TABLE outbox.all_commands TO outbox_commands;
GRANT SELECT ON TABLE outbox.all_commands TO outbox_operator;
GRANT REFERENCES ON TABLE outbox.all_topics TO outbox_writer;
GRANT REFERENCES ON TABLE outbox.all_topics TO outbox_worker;
GRANT REFERENCES ON TABLE outbox.all_topics TO outbox_commands;
GRANT SELECT ON TABLE outbox.all_topics TO outbox_operator;
GRANT SELECT ON TABLE outbox.application_sequence TO outbox_reader;
GRANT SELECT ON TABLE outbox.application_sequence TO outbox_worker;
GRANT SELECT ON TABLE outbox.application_sequence TO outbox_relay;
GRANT SELECT ON TABLE outbox.application_sequence TO outbox_commands;
GRANT SELECT ON TABLE outbox.application_sequence TO outbox_operator;
GRANT SELECT ON TABLE outbox.bound TO outbox_worker;
GRANT SELECT ON TABLE outbox.bound TO outbox_reader;
GRANT SELECT ON TABLE outbox.bound TO outbox_operator;
GRANT SELECT ON TABLE outbox.command TO outbox_writer;
GRANT SELECT ON TABLE outbox.command TO outbox_reader;
GRANT SELECT ON TABLE outbox.command TO outbox_worker;
GRANT SELECT ON TABLE outbox.command TO outbox_commands;
GRANT DELETE ON TABLE outbox.command TO outbox_purge;
GRANT SELECT ON TABLE outbox.command TO outbox_operator;
GRANT INSERT(command_id) ON TABLE outbox.command TO outbox_writer;
GRANT SELECT(command_id) ON TABLE outbox.command TO outbox_purge;
GRANT INSERT(type) ON TABLE outbox.command TO outbox_writer;
GRANT INSERT(key) ON TABLE outbox.command TO outbox_writer;
GRANT INSERT(actor) ON TABLE outbox.command TO outbox_writer;
GRANT INSERT(payload) ON TABLE outbox.command TO outbox_writer;
GRANT INSERT(correlation_id) ON TABLE outbox.command TO outbox_writer;
GRANT UPDATE(status) ON TABLE outbox.command TO outbox_worker;
GRANT UPDATE(status) ON TABLE outbox.command TO outbox_commands;
GRANT UPDATE(result) ON TABLE outbox.command TO outbox_worker;
GRANT UPDATE(result) ON TABLE outbox.command TO outbox_commands;
GRANT UPDATE(error) ON TABLE outbox.command TO outbox_worker;
GRANT UPDATE(error) ON TABLE outbox.command TO outbox_commands;
GRANT UPDATE(finished_at) ON TABLE outbox.command TO outbox_worker;
GRANT UPDATE(finished_at) ON TABLE outbox.command TO outbox_commands;
GRANT SELECT(finished_at) ON TABLE outbox.command TO outbox_purge;
GRANT UPDATE(failures) ON TABLE outbox.command TO outbox_worker;
GRANT UPDATE(failures) ON TABLE outbox.command TO outbox_commands;
GRANT UPDATE(retry_at) ON TABLE outbox.command TO outbox_worker;
GRANT UPDATE(retry_at) ON TABLE outbox.command TO outbox_commands;
GRANT UPDATE(retry_at) ON TABLE outbox.command TO outbox_purge;
GRANT SELECT ON TABLE outbox.command_history TO outbox_commands;
GRANT SELECT ON TABLE outbox.command_history TO outbox_operator;
GRANT DELETE ON TABLE outbox.command_history TO outbox_purge;
GRANT INSERT(command_id) ON TABLE outbox.command_history TO outbox_commands;
GRANT SELECT(command_id) ON TABLE outbox.command_history TO outbox_purge;
GRANT INSERT(what) ON TABLE outbox.command_history TO outbox_commands;
GRANT INSERT(attempt) ON TABLE outbox.command_history TO outbox_commands;
GRANT INSERT(written_by) ON TABLE outbox.command_history TO outbox_commands;
GRANT INSERT(error_type) ON TABLE outbox.command_history TO outbox_commands;
GRANT INSERT(error) ON TABLE outbox.command_history TO outbox_commands;
GRANT INSERT(place) ON TABLE outbox.command_history TO outbox_commands;
GRANT SELECT ON TABLE outbox.command_right TO outbox_reader;
GRANT SELECT ON TABLE outbox.command_right TO outbox_worker;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE outbox.command_right TO outbox_operator;
GRANT SELECT ON TABLE outbox.database_right TO outbox_reader;
GRANT SELECT ON TABLE outbox.database_right TO outbox_worker;
GRANT SELECT,INSERT,DELETE ON TABLE outbox.database_right TO outbox_operator;
GRANT SELECT ON TABLE outbox.dead_letter TO outbox_reader;
GRANT SELECT ON TABLE outbox.dead_letter TO outbox_worker;
GRANT SELECT ON TABLE outbox.dead_letter TO outbox_relay;
GRANT SELECT ON TABLE outbox.dead_letter TO outbox_operator;
GRANT SELECT ON TABLE outbox.dead_letter_order TO outbox_reader;
GRANT SELECT ON TABLE outbox.dead_letter_order TO outbox_worker;
GRANT SELECT ON TABLE outbox.dead_letter_order TO outbox_relay;
GRANT SELECT ON TABLE outbox.dead_letter_order TO outbox_operator;
GRANT UPDATE(xid) ON TABLE outbox.dead_letter_order TO outbox_operator;
GRANT UPDATE(event_xid) ON TABLE outbox.dead_letter_order TO outbox_operator;
GRANT UPDATE(state) ON TABLE outbox.dead_letter_order TO outbox_relay;
GRANT UPDATE(events) ON TABLE outbox.dead_letter_order TO outbox_relay;
GRANT UPDATE(outcome) ON TABLE outbox.dead_letter_order TO outbox_relay;
GRANT UPDATE(ended_at) ON TABLE outbox.dead_letter_order TO outbox_relay;
GRANT SELECT ON TABLE outbox.dead_letter_shard TO outbox_reader;
GRANT SELECT ON TABLE outbox.dead_letter_shard TO outbox_worker;
GRANT SELECT ON TABLE outbox.dead_letter_shard TO outbox_relay;
GRANT SELECT ON TABLE outbox.dead_letter_shard TO outbox_operator;
GRANT SELECT ON TABLE outbox.dead_letter_shard TO outbox_purge;
GRANT UPDATE(epoch) ON TABLE outbox.dead_letter_shard TO outbox_relay;
GRANT UPDATE(epoch) ON TABLE outbox.dead_letter_shard TO outbox_operator;
GRANT UPDATE(number) ON TABLE outbox.dead_letter_shard TO outbox_relay;
GRANT UPDATE(number) ON TABLE outbox.dead_letter_shard TO outbox_operator;
GRANT SELECT ON TABLE outbox.event_default TO outbox_worker;
GRANT SELECT ON TABLE outbox.event_default TO outbox_operator;
GRANT SELECT(id) ON TABLE outbox.event_default TO outbox_purge;
GRANT SELECT(xid) ON TABLE outbox.event_default TO outbox_purge;
GRANT SELECT(shard) ON TABLE outbox.event_default TO outbox_purge;
GRANT SELECT(created_at) ON TABLE outbox.event_default TO outbox_purge;
GRANT SELECT(event_id) ON TABLE outbox.event_default TO outbox_purge;
GRANT SELECT ON TABLE outbox.hold TO outbox_reader;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE outbox.hold TO outbox_worker;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE outbox.hold TO outbox_relay;
GRANT SELECT ON TABLE outbox.hold TO outbox_operator;
GRANT SELECT ON TABLE outbox.idempotency_key TO outbox_worker;
GRANT SELECT,DELETE ON TABLE outbox.idempotency_key TO outbox_purge;
GRANT SELECT ON TABLE outbox.idempotency_key TO outbox_operator;
GRANT SELECT ON TABLE outbox.lag TO outbox_reader;
GRANT SELECT ON TABLE outbox.lag TO outbox_worker;
GRANT SELECT ON TABLE outbox.lag TO outbox_relay;
GRANT SELECT ON TABLE outbox.lag TO outbox_operator;
GRANT SELECT ON TABLE outbox.last_purge TO outbox_relay;
GRANT SELECT ON TABLE outbox.last_purge TO outbox_commands;
GRANT SELECT,INSERT,UPDATE ON TABLE outbox.last_purge TO outbox_purge;
GRANT SELECT ON TABLE outbox.last_purge TO outbox_operator;
GRANT SELECT ON TABLE outbox.last_purge TO outbox_reader;
GRANT SELECT ON TABLE outbox.migration TO outbox_reader;
GRANT SELECT ON TABLE outbox.migration TO outbox_worker;
GRANT SELECT ON TABLE outbox.migration TO outbox_relay;
GRANT SELECT ON TABLE outbox.migration TO outbox_commands;
GRANT SELECT ON TABLE outbox.migration TO outbox_purge;
GRANT SELECT ON TABLE outbox.migration TO outbox_operator;
GRANT SELECT ON TABLE outbox.purged TO outbox_reader;
GRANT SELECT ON TABLE outbox.purged TO outbox_worker;
GRANT SELECT ON TABLE outbox.purged TO outbox_relay;
GRANT SELECT ON TABLE outbox.purged TO outbox_purge;
GRANT SELECT,DELETE ON TABLE outbox.purged TO outbox_operator;
GRANT SELECT ON TABLE outbox.schema_usage TO outbox_reader;
GRANT SELECT ON TABLE outbox.schema_usage TO outbox_worker;
GRANT SELECT ON TABLE outbox.schema_usage TO outbox_operator;
GRANT SELECT ON TABLE outbox.sequence TO outbox_reader;
GRANT SELECT ON TABLE outbox.sequence TO outbox_worker;
GRANT SELECT ON TABLE outbox.sequence TO outbox_relay;
GRANT SELECT ON TABLE outbox.sequence TO outbox_commands;
GRANT SELECT ON TABLE outbox.sequence TO outbox_operator;
GRANT SELECT ON TABLE outbox.source TO outbox_worker;
GRANT SELECT ON TABLE outbox.source TO outbox_reader;
GRANT SELECT ON TABLE outbox.source TO outbox_relay;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE outbox.source TO outbox_operator;
GRANT SELECT ON TABLE outbox.topic TO outbox_reader;
GRANT SELECT,INSERT,UPDATE ON TABLE outbox.topic TO outbox_worker;
GRANT SELECT,INSERT,UPDATE ON TABLE outbox.topic TO outbox_relay;
GRANT SELECT ON TABLE outbox.topic TO outbox_operator;
GRANT SELECT ON TABLE outbox.topic_right TO outbox_reader;
GRANT SELECT ON TABLE outbox.topic_right TO outbox_worker;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE outbox.topic_right TO outbox_operator;
GRANT SELECT ON TABLE outbox.unowned_idempotency_key TO outbox_worker;
GRANT SELECT,DELETE ON TABLE outbox.unowned_idempotency_key TO outbox_purge;
GRANT SELECT ON TABLE outbox.unowned_idempotency_key TO outbox_operator;
GRANT SELECT,INSERT,UPDATE ON TABLE school.batch_gate TO outbox_domain;
GRANT SELECT,INSERT ON TABLE school.batch_tally TO outbox_domain;
GRANT DELETE ON TABLE school.batch_tally TO outbox_commands;
GRANT INSERT ON TABLE school.batch_tally TO outbox_purge;
