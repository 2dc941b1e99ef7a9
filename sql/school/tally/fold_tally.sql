-- tally/fold_tally
-- Put the sum of some rows of the tally in their place, in one statement: each reader sees
-- the rows or their sum. Nothing happens below `least` rows, or while another one folds
-- (it would only wait: a row that another has deleted is not returned, so it counts once).
-- params: least bigint, rows bigint
-- rows: one (how many were folded)     transaction: its own
WITH few AS MATERIALIZED (
    SELECT ctid AS place FROM school.batch_tally LIMIT %(rows)s::bigint
), gone AS (
    DELETE FROM school.batch_tally
    WHERE ctid = ANY(ARRAY(SELECT place FROM few))
      AND (SELECT count(*) >= %(least)s::bigint FROM few)
      AND (SELECT pg_try_advisory_xact_lock(hashtextextended('school.batch_tally', 0)))
    RETURNING class_type, active, completed, purged
), told AS (
    INSERT INTO school.batch_tally (class_type, active, completed, purged)
    SELECT class_type, sum(active), sum(completed), sum(purged) FROM gone GROUP BY class_type
)
SELECT count(*) FROM gone
