-- batch/insert_batch
-- A new batch with its gate, its slots in the order given, and its place in the tally. The
-- schema refuses a taken id (batch_pkey) and a course that does not exist
-- (batch_course_is_known).
-- params: batch_id uuid, owner text, course_code text, class_id uuid, org_id text,
--         student_prompt_ref text, essay_ids uuid[], correlation_id uuid
-- rows: rowcount (slots)     transaction: the caller's
WITH registered AS (
    INSERT INTO school.batch (batch_id, owner, course_code, class_type, class_id, org_id,
                              student_prompt_ref, expected_count, correlation_id)
    VALUES (%(batch_id)s::uuid, %(owner)s::text, %(course_code)s::text,
            CASE WHEN %(class_id)s::uuid IS NULL THEN 'GUEST' ELSE 'REGULAR' END,
            %(class_id)s::uuid, %(org_id)s::text, %(student_prompt_ref)s::text,
            cardinality(%(essay_ids)s::uuid[]), %(correlation_id)s::uuid)
    RETURNING batch_id, class_type
), gate AS (
    INSERT INTO school.batch_gate (batch_id) SELECT batch_id FROM registered
), told AS (
    INSERT INTO school.batch_tally (class_type, active, completed)
    SELECT class_type, 1, 0 FROM registered
)
INSERT INTO school.slot (batch_id, position, essay_id)
SELECT registered.batch_id, position, essay_id
FROM registered,
     unnest(%(essay_ids)s::uuid[]) WITH ORDINALITY AS given (essay_id, position)
