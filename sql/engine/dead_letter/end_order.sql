-- dead_letter/end_order
-- Close an order to park; one that is closed stays as it is.
-- params: id bigint, state text (done or failed), outcome text
-- rows: rowcount     transaction: none (autocommit)
UPDATE outbox.dead_letter_order
SET state = %(state)s::text, outcome = %(outcome)s::text, ended_at = clock_timestamp()
WHERE id = %(id)s::bigint AND state = 'open'
