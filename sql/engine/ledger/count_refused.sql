-- ledger/count_refused
-- How many events were refused lately because of a request.
-- params: request bigint
-- index: dead_letter_event_refused_in_idx
-- rows: one     transaction: any
SELECT count(*) FROM outbox.dead_letter_event
WHERE refused_in IS NOT NULL AND refused_in + 0 = ANY(ARRAY(
    SELECT id FROM outbox.dead_letter_order WHERE request = %(request)s::bigint))
