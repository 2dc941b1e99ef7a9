-- dead_letter/mark_refused
-- A redrive of this event was refused, and would be again: it stays parked. Where somebody is about
-- to decide about it, nothing is waited for: `LockNotAvailable`.
-- params: id bigint, reason text, code text, request bigint (the order's id)
-- rows: rowcount     transaction: none (autocommit)
UPDATE outbox.dead_letter_event
SET attempts = attempts + 1, reason = %(reason)s::text, code = %(code)s::text,
    refused_in = greatest(refused_in, %(request)s::bigint)
WHERE id = (SELECT id FROM outbox.dead_letter_event
            WHERE id = %(id)s::bigint AND state = 'parked' FOR NO KEY UPDATE NOWAIT)
