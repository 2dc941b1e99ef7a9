-- slot/wait_for_slot
-- Take this slot if it is free once nobody else holds it. One slot and no more: a slot that
-- turns out to be taken stays locked, and who held such a lock and waited for the next slot
-- would be waited for by the holder of that one. So the caller rolls back when there is no
-- row. The schema refuses a second slot for a text (slot_holds_a_text_once).
-- params: batch_id uuid, position integer, status text, text_storage_id text,
--         file_upload_id text, now timestamptz
-- rows: maybe     index: slot_free_idx     transaction: a savepoint of the caller's
UPDATE school.slot
SET status = %(status)s::text, text_storage_id = %(text_storage_id)s::text,
    file_upload_id = %(file_upload_id)s::text, taken_at = %(now)s::timestamptz
WHERE batch_id = %(batch_id)s::uuid AND position = %(position)s::integer AND status = 'free'
RETURNING essay_id
