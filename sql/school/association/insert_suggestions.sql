-- association/insert_suggestions
-- Suggestions for essays of a locked batch of which nothing is known; no_match where the
-- student is NULL. The schema refuses a second one for an essay (association_pkey).
-- params: batch_id uuid, essay_ids uuid[], student_ids uuid[], scores double precision[],
--         reasons text[] (JSON), no_match_reasons text[], now timestamptz
-- rows: rowcount     transaction: the caller's
INSERT INTO school.association (batch_id, essay_id, status, suggested_student_id,
                                confidence_score, match_reasons, no_match_reason, suggested_at)
SELECT %(batch_id)s::uuid, essay_id,
       CASE WHEN student_id IS NULL THEN 'no_match' ELSE 'suggested' END,
       student_id, score, reasons::jsonb, no_match_reason, %(now)s::timestamptz
FROM unnest(%(essay_ids)s::uuid[], %(student_ids)s::uuid[], %(scores)s::double precision[],
            %(reasons)s::text[], %(no_match_reasons)s::text[])
     AS given (essay_id, student_id, score, reasons, no_match_reason)
