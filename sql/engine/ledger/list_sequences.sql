-- ledger/list_sequences
-- Dead letters by sequence (a topic and a key; one without a key stands alone), those first that were
-- parked first: topic, key, how many events, the first of them by its event id, its reason, code and
-- attempts, for how many seconds it has been there, how many of all a redrive has in hand, and how
-- many sequences there are in all.
-- params: states text[], topic text, key text (NULL: any), most bigint
-- rows: many     transaction: any
WITH sequence AS (
    SELECT topic, key, count(*) AS events, min(id) AS first, min(parked_at) AS since,
           count(*) FILTER (WHERE state = 'redriving') AS redriving
    FROM outbox.dead_letter_event
    WHERE state = ANY(%(states)s::text[])
      AND (%(topic)s::text IS NULL OR topic = %(topic)s::text)
      AND (%(key)s::text IS NULL OR key = %(key)s::text)
    GROUP BY topic, key, CASE WHEN key IS NULL THEN id END
)
SELECT sequence.topic, sequence.key, events, letter.event_id::text, letter.reason, letter.code,
       letter.attempts, extract(epoch FROM clock_timestamp() - since)::float8, redriving,
       count(*) OVER ()
FROM sequence JOIN outbox.dead_letter_event AS letter ON letter.id = first
ORDER BY since, first
LIMIT %(most)s::bigint
