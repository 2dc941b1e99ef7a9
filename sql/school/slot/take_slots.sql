-- slot/take_slots
-- Take these slots of a batch that this transaction registers, so that nobody else knows
-- of them.
-- params: batch_id uuid, positions integer[], statuses text[], text_storage_ids text[],
--         file_upload_ids text[], now timestamptz
-- rows: rowcount     index: slot_pkey     transaction: the caller's
UPDATE school.slot
SET status = given.status, text_storage_id = given.text_storage_id,
    file_upload_id = given.file_upload_id, taken_at = %(now)s::timestamptz
FROM unnest(%(positions)s::integer[], %(statuses)s::text[], %(text_storage_ids)s::text[],
            %(file_upload_ids)s::text[])
     AS given (position, status, text_storage_id, file_upload_id)
WHERE slot.batch_id = %(batch_id)s::uuid AND slot.position = given.position
