-- slot/wait_for_slot
-- Take the lowest free slot, and wait for those who hold the free ones, one after the other.
-- No row says that every slot is taken, for ever. The schema refuses a second slot for a
-- text (slot_holds_a_text_once).
-- params: batch_id uuid, status text, text_storage_id text, file_upload_id text, now timestamptz
-- rows: maybe     index: slot_free_idx, slot_pkey     transaction: the caller's
UPDATE school.slot
SET status = %(status)s::text, text_storage_id = %(text_storage_id)s::text,
    file_upload_id = %(file_upload_id)s::text, taken_at = %(now)s::timestamptz
WHERE batch_id = %(batch_id)s::uuid AND position = (
    SELECT position FROM school.slot
    WHERE batch_id = %(batch_id)s::uuid AND status = 'free'
    ORDER BY position
    LIMIT 1
    FOR UPDATE)
RETURNING essay_id
