-- slot/lock_spare_slot
-- A free slot that nobody holds, the highest: it is held from now on, so whoever takes it
-- comes after this transaction; the price is a second slot held until then. Waits for nobody.
-- That none is found does not say that none is free.
-- params: batch_id uuid
-- rows: maybe     index: slot_free_idx     transaction: the caller's
SELECT position FROM school.slot
WHERE batch_id = %(batch_id)s::uuid AND status = 'free'
ORDER BY position DESC
LIMIT 1
FOR UPDATE SKIP LOCKED
