-- association/list_assigned
-- Those of these essays that have a text in the batch, each with what is known of its
-- author and how that was decided: status NULL where nothing is known. Holds nothing: the batch is to be locked before.
-- params: batch_id uuid, essay_ids uuid[]
-- rows: many     index: slot_essay_is_in_the_batch_once, association_pkey     transaction: the caller's
SELECT slot.essay_id, association.status, association.student_id, association.method
FROM unnest(%(essay_ids)s::uuid[]) AS given (essay_id)
JOIN school.slot ON slot.batch_id = %(batch_id)s::uuid AND slot.essay_id = given.essay_id
LEFT JOIN school.association
    ON association.batch_id = %(batch_id)s::uuid AND association.essay_id = slot.essay_id
WHERE slot.status = 'assigned'
