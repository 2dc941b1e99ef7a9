-- The owner is a role that nobody logs in as: a function that runs with its owner's rights
-- (SECURITY DEFINER) must not run with those of a superuser.

-- Hand the schemas, and all that is in them, over to `owner`, which is made where it is missing.
-- The caller becomes a member, or could not migrate again; a superuser need not. Called by `migrate` each time:
-- migrations leave what they make to the login that runs them. Returns how many things had
-- another owner.
CREATE FUNCTION outbox.hand_over(owner text, schemas text[]) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
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
REVOKE ALL ON FUNCTION outbox.hand_over FROM PUBLIC;
