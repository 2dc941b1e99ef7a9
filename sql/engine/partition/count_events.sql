-- partition/count_events
-- About how many events a UTC day holds (the ids from its first to its last, so that
-- rolled-back ones count), and whether some are not published.
-- params: day date
-- rows: one     index: event_pkey     transaction: any
SELECT (SELECT coalesce(max(id) - min(id) + 1, 0) FROM outbox.event
        WHERE created_at >= %(day)s::date::timestamp AT TIME ZONE 'UTC'
          AND created_at < (%(day)s::date + 1)::timestamp AT TIME ZONE 'UTC'),
       outbox.has_unpublished(%(day)s::date)
