-- doctor/list_blocked_days
-- Which of these UTC days have events in the default partition, so that no partition can be made for
-- them. Reads the default partition up to the first event of each day.
-- params: days date[]
-- rows: many     transaction: any
SELECT day::date FROM unnest(%(days)s::date[]) AS asked (day)
WHERE EXISTS (
    SELECT FROM outbox.event_default
    WHERE created_at >= day::timestamp AT TIME ZONE 'UTC'
      AND created_at < (day + 1)::timestamp AT TIME ZONE 'UTC'
)
