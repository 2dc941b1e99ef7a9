-- demo/list_slots
-- What stands in the slots of a batch, read through the view that is there for every
-- SQL client.
-- params: batch_id uuid
-- rows: many     transaction: any
SELECT position, essay_id, status, original_file_name, validation_error_code,
       association_status, student_name
FROM domain.slot WHERE batch_id = %(batch_id)s::uuid
ORDER BY position
