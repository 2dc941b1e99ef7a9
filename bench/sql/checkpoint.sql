-- bench/checkpoint
-- Write out what is dirty.
-- params: none
-- rows: none     transaction: any
CHECKPOINT
