-- migration/find_owner
-- The role that owns the schema, or is to own it: its owner if that is a role that nobody logs in as,
-- and no superuser, else one of this database's own. And whether that one fits, as far as it is there;
-- and whether this login may hand the schema over: as its owner, once the function is there.
-- params: none
-- rows: one (role, whether it fits, whether we may)     transaction: any
SELECT wanted.name,
       coalesce((SELECT NOT rolcanlogin AND NOT rolsuper FROM pg_roles WHERE rolname = wanted.name),
                true),
       EXISTS (SELECT FROM pg_proc JOIN pg_namespace ON pg_namespace.oid = pronamespace
               WHERE nspname = 'outbox' AND proname = 'hand_over'
                 AND has_function_privilege(pg_proc.oid, 'EXECUTE'))
FROM (
    SELECT coalesce(
        (SELECT rolname::text FROM pg_namespace JOIN pg_roles ON pg_roles.oid = nspowner
         WHERE nspname = 'outbox' AND NOT rolcanlogin AND NOT rolsuper
           AND NOT starts_with(rolname, 'pg_')),
        -- A role's name has at most 63 bytes.
        CASE WHEN octet_length(current_database()) <= 50 THEN 'outbox_owner_' || current_database()
             ELSE 'outbox_owner_' || (SELECT oid FROM pg_database WHERE datname = current_database())
        END) AS name
) AS wanted
