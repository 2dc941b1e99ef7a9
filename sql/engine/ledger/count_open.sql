-- ledger/count_open
-- Open dead letters by topic, those with most first: how many, in how many sequences, and for how many
-- seconds the oldest has been parked. What is beyond `most` topics is one row without a topic.
-- params: most bigint
-- rows: many     transaction: any
WITH counted AS (
    SELECT topic, count(*) AS events,
           count(DISTINCT key) + count(*) FILTER (WHERE key IS NULL) AS sequences,
           min(parked_at) AS since
    FROM outbox.dead_letter_event WHERE state IN ('parked', 'redriving') GROUP BY topic
), ranked AS (
    SELECT *, row_number() OVER (ORDER BY events DESC, topic) AS nth FROM counted
)
SELECT CASE WHEN nth <= %(most)s::bigint THEN topic END, sum(events)::bigint, sum(sequences)::bigint,
       max(extract(epoch FROM clock_timestamp() - since))::float8
FROM ranked GROUP BY CASE WHEN nth <= %(most)s::bigint THEN topic END
ORDER BY 2 DESC, 1
