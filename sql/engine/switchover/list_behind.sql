-- switchover/list_behind
-- Sequences that have given out less than the numbers that rows have, as after a switch-over
-- by logical replication.
-- params: none
-- rows: many     transaction: any
SELECT name, reached, highest FROM outbox.sequence WHERE reached < highest ORDER BY name
