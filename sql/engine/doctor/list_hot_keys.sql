-- doctor/list_hot_keys
-- The keys with the most queued commands, and how many are queued in all.
-- params: most bigint
-- rows: many     transaction: any
SELECT key, count(*), sum(count(*)) OVER ()::bigint
FROM outbox.command WHERE status = 'queued'
GROUP BY key ORDER BY 2 DESC, key LIMIT %(most)s::bigint
