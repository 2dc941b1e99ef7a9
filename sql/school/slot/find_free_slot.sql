-- slot/find_free_slot
-- The lowest slot that is free as far as has been committed; holds nothing, so it may be held
-- by others. No row says that every slot is taken, for ever.
-- params: batch_id uuid
-- rows: maybe     index: slot_free_idx     transaction: the caller's
SELECT position FROM school.slot
WHERE batch_id = %(batch_id)s::uuid AND status = 'free'
ORDER BY position
LIMIT 1
