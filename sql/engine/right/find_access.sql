-- right/find_access
-- Whether this login may use the schema, and which parts of a worker's rights it lacks: by what it
-- may do, not by its roles. No part is lacking where the tables are not there yet, or are from before
-- the rights had parts: then the schema has another version.
-- params: parts text[] (relay, commands, purge)
-- rows: one (login, database, may use the schema, whether that takes a right of its own, parts that it
--       lacks)     transaction: any
WITH place AS (
    SELECT oid FROM pg_namespace WHERE nspname = 'outbox'
), relation AS (
    SELECT relname, pg_class.oid FROM pg_class JOIN place ON relnamespace = place.oid
), function AS (
    SELECT proname, pg_proc.oid FROM pg_proc JOIN place ON pronamespace = place.oid
), held AS (
    SELECT 'relay' AS part, has_table_privilege(oid, 'SELECT') AS is_held
    FROM relation WHERE relname = 'event'
    UNION ALL
    SELECT 'relay', has_table_privilege(oid, 'INSERT') FROM relation WHERE relname = 'position'
    UNION ALL
    SELECT 'relay', has_function_privilege(oid, 'EXECUTE')
    FROM function WHERE proname = 'add_partition'
    UNION ALL
    SELECT 'commands', has_any_column_privilege(oid, 'UPDATE')
    FROM relation WHERE relname = 'command'
    UNION ALL
    SELECT 'commands', has_any_column_privilege(oid, 'INSERT')
    FROM relation WHERE relname = 'event'
    UNION ALL
    SELECT 'purge', has_table_privilege(oid, 'DELETE') FROM relation WHERE relname = 'command'
    UNION ALL
    SELECT 'purge', has_function_privilege(oid, 'EXECUTE')
    FROM function WHERE proname IN ('drop_partition', 'purge_default')
)
SELECT current_user::text, current_database()::text,
       coalesce((SELECT has_schema_privilege(oid, 'USAGE') FROM place), true),
       EXISTS (SELECT FROM place CROSS JOIN pg_roles AS shared
               WHERE shared.rolname IN ('outbox_writer', 'outbox_worker', 'outbox_reader')
                 AND NOT has_schema_privilege(shared.oid, place.oid, 'USAGE')),
       ARRAY(SELECT wanted.part FROM unnest(%(parts)s::text[]) AS wanted (part)
             WHERE EXISTS (SELECT FROM held WHERE held.part = wanted.part AND NOT is_held)
               AND EXISTS (SELECT FROM function WHERE proname = 'purge_default'))
