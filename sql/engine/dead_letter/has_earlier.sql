-- dead_letter/has_earlier
-- Whether one of these events has an earlier one of its topic and key that is open, up to the id `after`:
-- one that was parked late, or was behind one that is decided since.
-- params: ids bigint[], after bigint
-- index: dead_letter_event_pkey, dead_letter_event_open_idx
-- rows: one     transaction: any
SELECT EXISTS (
    SELECT FROM (
        SELECT DISTINCT shard, topic, key FROM outbox.dead_letter_event
        WHERE id = ANY(%(ids)s::bigint[]) AND key IS NOT NULL
    ) AS sequence
    CROSS JOIN LATERAL (
        SELECT key, id FROM outbox.dead_letter_event AS e
        WHERE e.shard = sequence.shard AND e.topic = sequence.topic AND e.key >= sequence.key
          AND state IN ('parked', 'redriving')
        ORDER BY key, id LIMIT 1
    ) AS first
    WHERE first.key = sequence.key AND first.id <= %(after)s::bigint
)
