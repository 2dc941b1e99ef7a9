-- dead_letter/mark_redriven
-- A redrive is in Kafka, for good, whoever has the shard by now.
-- params: shard smallint, number bigint, request bigint (the order's id)
-- rows: rowcount (of events)     transaction: none (autocommit)
WITH counted AS (
    UPDATE outbox.dead_letter_order SET events = events + (
        SELECT count(*) FROM outbox.dead_letter_event
        WHERE shard = %(shard)s::smallint AND state = 'redriving' AND number = %(number)s::bigint)
    WHERE id = %(request)s::bigint
)
UPDATE outbox.dead_letter_event SET state = 'redriven', attempts = attempts + 1
WHERE shard = %(shard)s::smallint AND state = 'redriving' AND number = %(number)s::bigint
