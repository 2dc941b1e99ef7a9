-- Roles belong to the whole server: a login with outbox_writer for another database of it could write
-- here as well. The owner says which roles may use the outbox of this database, by SQL or by
-- `outbox-worker grant ROLE --database`. Nothing filled: every login with a role of ours may, as before.
-- roles: outbox_reader, outbox_worker, outbox_operator

CREATE TABLE outbox.database_right (role regrole PRIMARY KEY);

-- The rights USAGE on our schemas that were taken from shared roles (outbox_writer, ...) meanwhile, and
-- those that were given instead.
CREATE TABLE outbox.schema_usage (
    schema_name text NOT NULL,
    role regrole NOT NULL,
    is_shared boolean NOT NULL,
    PRIMARY KEY (schema_name, role, is_shared)
);
GRANT SELECT ON outbox.database_right, outbox.schema_usage
    TO outbox_reader, outbox_worker, outbox_operator;
GRANT INSERT, DELETE ON outbox.database_right TO outbox_operator;

-- Give USAGE on our schemas to the roles of database_right and take it from the shared roles, or the
-- other way round where there is none. A shared role begins with `outbox_` and cannot log in. Our schemas are
-- those of the owner on which a shared role had the right. `migrate` calls it too: a new
-- application's schema is open to shared roles.
CREATE FUNCTION outbox.apply_database_rights() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
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

CREATE FUNCTION outbox.note_database_right() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM outbox.apply_database_rights();
    RETURN NULL;
END $$;

CREATE TRIGGER wait_for_others BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE
    ON outbox.database_right EXECUTE FUNCTION outbox.mark_rights();
CREATE TRIGGER note_database_right AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE
    ON outbox.database_right EXECUTE FUNCTION outbox.note_database_right();

REVOKE ALL ON FUNCTION outbox.apply_database_rights, outbox.note_database_right FROM PUBLIC;
