-- association/decide_by_hand
-- A person's decisions about essays of a locked batch; no student where it is NULL. What was
-- suggested stays beside it. Another person's decision is left alone and not counted; the
-- caller knows whether one for lack of time was published already, and stands.
-- params: batch_id uuid, essay_ids uuid[], student_ids uuid[], student_names text[],
--         validated_by text, now timestamptz
-- rows: rowcount     index: association_pkey     transaction: the caller's
INSERT INTO school.association (batch_id, essay_id, status, student_id, student_name, method,
                                validated_by, validated_at)
SELECT %(batch_id)s::uuid, essay_id,
       CASE WHEN student_id IS NULL THEN 'no_student' ELSE 'confirmed' END,
       student_id, student_name, 'human', %(validated_by)s::text, %(now)s::timestamptz
FROM unnest(%(essay_ids)s::uuid[], %(student_ids)s::uuid[], %(student_names)s::text[])
     AS given (essay_id, student_id, student_name)
ON CONFLICT ON CONSTRAINT association_pkey DO UPDATE
SET status = excluded.status, student_id = excluded.student_id,
    student_name = excluded.student_name, method = excluded.method,
    validated_by = excluded.validated_by, validated_at = excluded.validated_at
WHERE association.method IS DISTINCT FROM 'human'
