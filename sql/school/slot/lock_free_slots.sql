-- slot/lock_free_slots
-- Wait for all who hold a free slot, and hold those that are free still: 0 says that every
-- slot is taken, by transactions that have committed or by this one.
-- params: batch_id uuid
-- rows: one (how many are free)     index: slot_free_idx     transaction: the caller's
SELECT count(*) FROM (
    SELECT FROM school.slot
    WHERE batch_id = %(batch_id)s::uuid AND status = 'free'
    ORDER BY position
    FOR UPDATE
) AS held
