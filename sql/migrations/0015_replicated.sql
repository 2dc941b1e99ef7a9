-- Every table has a primary key, so that `CREATE PUBLICATION ... FOR ALL TABLES` stops
-- nothing: without one a published table takes no DELETE, and upkeep folds the tally by it.
-- A random id and no sequence: one more that a replica would have to be told of.
ALTER TABLE school.batch_tally
    ADD COLUMN entry uuid NOT NULL DEFAULT gen_random_uuid()
        CONSTRAINT batch_tally_pkey PRIMARY KEY;
