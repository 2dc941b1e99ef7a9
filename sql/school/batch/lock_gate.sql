-- batch/lock_gate
-- Be the one who finds out whether a batch is full, unless somebody is already. A row, and
-- not an advisory lock: those are let go only after the rows of their transaction, so that
-- who takes a slot which a holder of the gate gave back could find the gate still held.
-- Nobody else locks this row.
-- params: batch_id uuid
-- rows: maybe (none: somebody else is)     index: batch_gate_pkey     transaction: the caller's
SELECT batch_id FROM school.batch_gate WHERE batch_id = %(batch_id)s::uuid
FOR UPDATE SKIP LOCKED
