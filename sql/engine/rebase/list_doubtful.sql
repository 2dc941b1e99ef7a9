-- rebase/list_doubtful
-- Events that will be published, and may have been before, lowest id first, and how many there are.
-- params: most bigint
-- rows: many (topic, event id, count of all)     transaction: the caller's, after rebase/insert_judged
SELECT topic, event_id::text, count(*) OVER ()
FROM outbox.event JOIN pg_temp.judged USING (id, created_at)
WHERE is_doubtful
ORDER BY id
LIMIT %(most)s::bigint
