-- partition/count_events
-- How many events a UTC day holds, and whether some are not published.
-- params: day date
-- rows: one     transaction: any
SELECT (SELECT count(*) FROM outbox.event
        WHERE created_at >= %(day)s::date::timestamp AT TIME ZONE 'UTC'
          AND created_at < (%(day)s::date + 1)::timestamp AT TIME ZONE 'UTC'),
       outbox.has_unpublished(%(day)s::date::timestamp AT TIME ZONE 'UTC',
                              (%(day)s::date + 1)::timestamp AT TIME ZONE 'UTC')
