-- association/decide_overdue
-- Decide claimed essays for the teacher: the suggested student where the score is high
-- enough and the student is still in the class, else nobody. A decision that is there
-- stays. Returns what it decided.
-- params: batch_ids uuid[], essay_ids uuid[], class_ids uuid[], min_score double precision,
--         validated_by text, now timestamptz
-- rows: many     index: association_pkey, student_pkey     transaction: the caller's
WITH found AS (
    SELECT batch_id, essay_id, student.student_id, student.legal_full_name
    FROM unnest(%(batch_ids)s::uuid[], %(essay_ids)s::uuid[], %(class_ids)s::uuid[])
         AS given (batch_id, essay_id, class_id)
    JOIN school.association USING (batch_id, essay_id)
    LEFT JOIN school.enrolment
        ON enrolment.class_id = given.class_id
       AND enrolment.student_id = association.suggested_student_id
       AND association.confidence_score >= %(min_score)s::double precision
    LEFT JOIN school.student ON student.student_id = enrolment.student_id
)
UPDATE school.association
SET status = CASE WHEN found.student_id IS NULL THEN 'no_student' ELSE 'confirmed' END,
    student_id = found.student_id, student_name = found.legal_full_name, method = 'timeout',
    validated_by = %(validated_by)s::text, validated_at = %(now)s::timestamptz
FROM found
WHERE association.batch_id = found.batch_id AND association.essay_id = found.essay_id
  AND association.status IN ('suggested', 'no_match')
RETURNING association.batch_id, association.student_id
