-- doctor/list_default_days
-- The UTC days of events in the default partition, and how many there are of each. Looks at the first
-- 100,000 of them.
-- params: none
-- rows: many     transaction: any
SELECT (created_at AT TIME ZONE 'UTC')::date, count(*)
FROM (SELECT created_at FROM outbox.event_default LIMIT 100000) AS seen
GROUP BY 1 ORDER BY 1
