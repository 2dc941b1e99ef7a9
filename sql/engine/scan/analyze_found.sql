-- scan/analyze_found
-- Let the planner know how much was found.
-- params: none
-- rows: none     transaction: the caller's, after scan/copy_found
ANALYZE pg_temp.found
