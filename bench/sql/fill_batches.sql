-- bench/fill_batches
-- Completed batches of one slot each, so that the tables are as large as after years.
-- params: batches int
-- rows: rowcount
WITH made AS (
    INSERT INTO school.batch (batch_id, owner, course_code, class_type, expected_count,
                              correlation_id, provisioned_at, completed_at)
    SELECT gen_random_uuid(), 'teacher', 'ENG5', 'GUEST', 1, gen_random_uuid(), now(), now()
    FROM generate_series(1, %(batches)s::int)
    RETURNING batch_id
)
INSERT INTO school.slot (batch_id, position, essay_id, status, text_storage_id, file_upload_id)
SELECT batch_id, 0, gen_random_uuid(), 'assigned', 'text', 'upload' FROM made
