-- retention/claim_batches
-- Hold some completed batches of a class type, oldest first: at least one where there is
-- one, and no more once those before it have `slots` slots. A batch that somebody works on
-- is left out, or comes with `held` false: then it must not be deleted now.
-- params: class_type text, after timestamptz (where the last claim ended), before timestamptz,
--         batches bigint, slots bigint
-- rows: many     index: batch_completed_idx     transaction: the caller's
WITH old AS MATERIALIZED (
    SELECT batch_id, completed_at, expected_count FROM school.batch
    WHERE class_type = %(class_type)s::text
      AND completed_at >= %(after)s::timestamptz AND completed_at < %(before)s::timestamptz
    ORDER BY completed_at
    LIMIT %(batches)s::bigint
    FOR UPDATE SKIP LOCKED
), summed AS MATERIALIZED (
    SELECT batch_id, completed_at,
           sum(expected_count) OVER (ORDER BY completed_at, batch_id) - expected_count AS before_it
    FROM old
), few AS MATERIALIZED (
    SELECT batch_id, completed_at FROM summed WHERE before_it < %(slots)s::bigint
)
SELECT batch_id, completed_at,
       pg_try_advisory_xact_lock(hashtextextended('batch ' || batch_id::text, 0)) AS held
FROM few
ORDER BY completed_at, batch_id
