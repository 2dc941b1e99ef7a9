-- right/list_denied
-- What this login lacks of each table, view, sequence, schema or function with whose name a message of
-- Postgres ends ("permission denied for table class"), in the words of a GRANT. The message names
-- no schema: there may be several of one name, and in another language of several kinds.
-- params: message text
-- rows: many (rights, thing)     transaction: any
SELECT string_agg(wanted, ', ' ORDER BY nth), thing
FROM (
    SELECT relnamespace AS place, relname AS name,
           CASE relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
                        WHEN 'f' THEN 'foreign table' ELSE 'table' END AS word,
           'TABLE ' || oid::regclass AS thing, nth, wanted,
           has_table_privilege(oid, wanted) AS is_held
    FROM pg_class, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE'])
                   WITH ORDINALITY AS each (wanted, nth)
    WHERE relkind IN ('r', 'p', 'v', 'm', 'f')
    UNION ALL
    SELECT relnamespace, relname, 'sequence', 'SEQUENCE ' || oid::regclass, 1, 'USAGE',
           -- The planner may ask it of other relations first.
           CASE relkind WHEN 'S' THEN has_sequence_privilege(oid, 'USAGE') END
    FROM pg_class WHERE relkind = 'S'
    UNION ALL
    SELECT oid, nspname, 'schema', 'SCHEMA ' || oid::regnamespace, 1, 'USAGE',
           has_schema_privilege(oid, 'USAGE')
    FROM pg_namespace
    UNION ALL
    SELECT pronamespace, proname, CASE prokind WHEN 'p' THEN 'procedure' ELSE 'function' END,
           'ROUTINE ' || oid::regprocedure, 1, 'EXECUTE', has_function_privilege(oid, 'EXECUTE')
    FROM pg_proc
) AS known
WHERE NOT is_held AND right(%(message)s::text, length(name) + 1) = ' ' || name
  AND (starts_with(%(message)s::text, 'permission denied for ' || word || ' ')
       OR NOT starts_with(%(message)s::text, 'permission denied for '))
  AND place NOT IN (SELECT oid FROM pg_namespace
                    WHERE nspname IN ('pg_catalog', 'information_schema'))
GROUP BY thing ORDER BY thing
