-- rebase/count_judged
-- By shard how many events were judged how.
-- params: none
-- rows: many     transaction: the caller's, after rebase/insert_judged
SELECT shard, why, count(*) FROM pg_temp.judged GROUP BY shard, why ORDER BY shard, why
