-- doctor/list_refusals
-- Why workers that live refuse to publish, and what they say that mends it.
-- params: none
-- rows: many (one for each reason)     transaction: any
SELECT DISTINCT reason, hint FROM outbox.shard_state
WHERE state = 'refusing' AND seen_at > clock_timestamp() - interval '15 s'
ORDER BY 1, 2
