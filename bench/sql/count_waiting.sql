-- bench/count_waiting
-- How many events are not published as far as the mirror knows.
-- rows: one
SELECT coalesce(sum(events), 0)::bigint FROM outbox.lag
