-- dead_letter/list_redrivable
-- The next events that an order to redrive is about, in the order of their ids, as they stand in the
-- table today (its columns are NULL where the event is gone): at most `rows`, and none once those before it
-- hold `bytes`. Not those that this order or a later one was refused, nor what is behind them.
-- Whatever the planner believes of the ledger: only the index in question has the order that is asked for.
-- params: shard smallint, topic text, key text, event bigint (NULL is any), after bigint (the id
--         where the last call ended), request bigint (the order's id), rows, bytes, largest bigint
--         (bytes above which a payload is left where it is)
-- index: dead_letter_event_parked_idx, dead_letter_event_open_idx, dead_letter_event_refused_idx
-- rows: many (id, then the columns of a row of events)     transaction: any
WITH chosen AS (
    (SELECT id, created_at FROM outbox.dead_letter_event AS letter
     WHERE %(key)s::text IS NULL AND state = 'parked' AND shard <= %(shard)s::smallint
       AND (shard, id) > (%(shard)s::smallint, greatest(%(after)s::bigint, %(event)s::bigint - 1))
       AND id <= coalesce(%(event)s::bigint, 9223372036854775807)
       AND (%(topic)s::text IS NULL OR topic = %(topic)s::text)
       AND coalesce(greatest(refused_in, (
               SELECT refused_in FROM outbox.dead_letter_event AS refused
               WHERE refused.shard = letter.shard AND refused.topic = letter.topic
                 AND refused.key = letter.key AND state IN ('parked', 'redriving')
                 AND refused_in IS NOT NULL
               ORDER BY refused_in DESC LIMIT 1)), 0) < %(request)s::bigint
     ORDER BY shard, id LIMIT %(rows)s::bigint)
    UNION ALL
    (SELECT id, created_at FROM outbox.dead_letter_event
     WHERE shard = %(shard)s::smallint AND topic = %(topic)s::text AND key <= %(key)s::text
       AND (key, id) > (%(key)s::text, %(after)s::bigint)
       AND state IN ('parked', 'redriving') AND state = 'parked'
       AND id <= coalesce(%(event)s::bigint, 9223372036854775807)
       AND coalesce((
               SELECT refused_in FROM outbox.dead_letter_event
               WHERE shard = %(shard)s::smallint AND topic = %(topic)s::text
                 AND key = %(key)s::text AND state IN ('parked', 'redriving')
                 AND refused_in IS NOT NULL
               ORDER BY refused_in DESC LIMIT 1), 0) < %(request)s::bigint
     ORDER BY key, id LIMIT %(rows)s::bigint)
)
SELECT letter_id, id, xid, shard, event_id::text, topic, key, type, content_type,
       to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
       headers::text, CASE WHEN size <= %(largest)s::bigint THEN payload END, size, writer
FROM (
    SELECT chosen.id AS letter_id, event.*, size,
           sum(size) OVER (ORDER BY chosen.id ROWS UNBOUNDED PRECEDING) - size AS before
    FROM chosen
    LEFT JOIN LATERAL (
        SELECT * FROM outbox.event WHERE id = chosen.id AND created_at = chosen.created_at LIMIT 1
    ) AS event ON true
    CROSS JOIN LATERAL (
        SELECT coalesce(octet_length(event.payload), 0)
               + coalesce(pg_column_size(event.headers), 0) AS size
    ) AS measured
) AS summed
WHERE before <= %(bytes)s::bigint
ORDER BY letter_id
