-- dead_letter/end_redrive
-- Close an order to redrive of which nothing is left: failed where an event was refused.
-- params: id bigint
-- rows: maybe one (events redriven, events refused, the first reason)     transaction: none (autocommit)
UPDATE outbox.dead_letter_order AS o
SET state = CASE WHEN refused.events = 0 THEN 'done' ELSE 'failed' END,
    outcome = CASE WHEN refused.events = 0 THEN o.events || ' redriven'
                   ELSE o.events || ' redriven, ' || refused.events || ' refused: '
                        || refused.reason END,
    ended_at = clock_timestamp()
FROM (SELECT count(*) AS events, min(reason) AS reason FROM outbox.dead_letter_event AS e
      WHERE e.refused_in = %(id)s::bigint AND e.state = 'parked'
        AND e.shard = (SELECT shard FROM outbox.dead_letter_order WHERE id = %(id)s::bigint)
     ) AS refused
WHERE o.id = %(id)s::bigint AND o.state = 'open'
RETURNING o.events, refused.events, refused.reason
