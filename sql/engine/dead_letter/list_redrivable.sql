-- dead_letter/list_redrivable
-- The next events that an order to redrive is about, in the order of their ids, as they stand in the
-- table today (its columns are NULL where the event is gone): at most `rows`, and none once those before it
-- hold `bytes`. Not those that this order was refused, nor what is behind them.
-- params: shard smallint, topic text, key text, event bigint (NULL is any), request bigint (the
--         order's id), rows, bytes, largest bigint (bytes above which a payload is left where it is)
-- rows: many (id, then the columns of a row of events)     transaction: any
SELECT letter_id, id, xid, shard, event_id::text, topic, key, type, content_type,
       to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
       headers::text, CASE WHEN size <= %(largest)s::bigint THEN payload END, size, writer
FROM (
    SELECT *, sum(size) OVER (ORDER BY letter_id ROWS UNBOUNDED PRECEDING) - size AS before
    FROM (
        SELECT letter.id AS letter_id, e.*,
               coalesce(octet_length(e.payload), 0) + coalesce(pg_column_size(e.headers), 0)
                   AS size
        FROM outbox.dead_letter_event AS letter
        LEFT JOIN outbox.event AS e ON e.id = letter.id AND e.created_at = letter.created_at
        WHERE letter.shard = %(shard)s::smallint AND letter.state = 'parked'
          AND (%(topic)s::text IS NULL OR letter.topic = %(topic)s::text)
          AND (%(key)s::text IS NULL OR letter.key = %(key)s::text)
          AND (%(event)s::bigint IS NULL OR letter.id = %(event)s::bigint
               OR (%(key)s::text IS NOT NULL AND letter.id < %(event)s::bigint))
          AND letter.refused_in IS DISTINCT FROM %(request)s::bigint
          AND NOT EXISTS (
              SELECT FROM outbox.dead_letter_event AS refused
              WHERE refused.shard = letter.shard AND refused.topic = letter.topic
                AND refused.key = letter.key AND refused.state IN ('parked', 'redriving')
                AND refused.refused_in = %(request)s::bigint)
        ORDER BY letter.id
        LIMIT %(rows)s::bigint
    ) AS sized
) AS summed
WHERE before <= %(bytes)s::bigint
ORDER BY letter_id
