-- bench/vacuum
-- What autovacuum and the checkpoints did with an old day long ago.
-- params: none
-- rows: none     transaction: none
VACUUM
