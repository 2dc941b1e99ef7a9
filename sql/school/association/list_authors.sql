-- association/list_authors
-- Every text of a completed batch with its author, in the order of the slots; student and
-- name NULL where it has none. The confidence is that of the suggestion, NULL where this
-- student was not the suggested one.
-- params: batch_id uuid
-- rows: many     index: association_pkey     transaction: the caller's
SELECT slot.essay_id, slot.text_storage_id, association.student_id, association.student_name,
       CASE WHEN association.student_id = association.suggested_student_id
            THEN association.confidence_score END,
       association.method, association.validated_by, association.validated_at
FROM school.slot
JOIN school.association
    ON association.batch_id = slot.batch_id AND association.essay_id = slot.essay_id
WHERE slot.batch_id = %(batch_id)s::uuid AND slot.status = 'assigned'
ORDER BY slot.position
