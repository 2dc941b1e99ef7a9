-- dead_letter/end_redrive
-- Close an order to redrive of which nothing is left: failed where an event was refused, also where a
-- later order was.
-- params: id bigint
-- rows: maybe one (events redriven, events refused, the first reason)     transaction: none (autocommit)
UPDATE outbox.dead_letter_order AS o
SET state = CASE WHEN refused.events = 0 THEN 'done' ELSE 'failed' END,
    outcome = CASE WHEN refused.events = 0 THEN o.events || ' redriven'
                   ELSE o.events || ' redriven, ' || refused.events || ' refused: '
                        || refused.reason END,
    ended_at = clock_timestamp()
FROM outbox.dead_letter_order AS asked
CROSS JOIN LATERAL (
    SELECT count(*) AS events, min(reason) AS reason FROM outbox.dead_letter_event AS e
    WHERE e.shard = asked.shard AND e.state = 'parked' AND e.refused_in >= asked.id
      AND (asked.topic IS NULL OR e.topic = asked.topic)
      AND (asked.key IS NULL OR e.key = asked.key)
      AND (asked.event IS NULL OR e.id = asked.event
           OR asked.key IS NOT NULL AND e.id < asked.event)
) AS refused
WHERE asked.id = %(id)s::bigint AND o.id = asked.id AND o.state = 'open'
RETURNING o.events, refused.events, refused.reason
