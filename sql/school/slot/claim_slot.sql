-- slot/claim_slot
-- Take the lowest free slot that nobody holds. `spare` says that after this a free slot was
-- seen that nobody had ever touched: then this was surely not the last one. It is not said
-- that none is free where none was taken: others may hold the free ones and give them back.
-- Then slots that were taken meanwhile may stay locked, so the caller rolls back.
-- The schema refuses a second slot for a text (slot_holds_a_text_once).
-- params: batch_id uuid, status text, text_storage_id text, file_upload_id text, now timestamptz
-- rows: one (essay_id, NULL where none was to be had; spare; whether there is such a batch)
-- index: slot_free_idx, slot_pkey, batch_pkey     transaction: a savepoint of the caller's
WITH claimed AS (
    UPDATE school.slot
    SET status = %(status)s::text, text_storage_id = %(text_storage_id)s::text,
        file_upload_id = %(file_upload_id)s::text, taken_at = %(now)s::timestamptz
    WHERE batch_id = %(batch_id)s::uuid AND position = (
        SELECT position FROM school.slot
        WHERE batch_id = %(batch_id)s::uuid AND status = 'free'
        ORDER BY position
        LIMIT 1
        FOR UPDATE SKIP LOCKED)
    -- From above: what nobody has touched yet is there. xmax is what it is now, not what it
    -- was when the statement began. Where slots were given back not all are looked at.
    RETURNING essay_id, (
        SELECT bool_or(highest.xmax_now = 0) FROM (
            SELECT other.xmax AS xmax_now FROM school.slot AS other
            WHERE other.batch_id = %(batch_id)s::uuid AND other.status = 'free'
              AND other.position <> slot.position
            ORDER BY other.position DESC
            LIMIT 4) AS highest) AS spare
)
SELECT claimed.essay_id, coalesce(claimed.spare, false),
       EXISTS (SELECT FROM school.batch WHERE batch.batch_id = %(batch_id)s::uuid)
FROM (SELECT) AS one LEFT JOIN claimed ON true
