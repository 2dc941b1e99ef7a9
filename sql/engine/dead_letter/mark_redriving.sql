-- dead_letter/mark_redriving
-- Take parked events in hand for a redrive, under the next number of their shard; none where the epoch
-- is not ours, or a redrive before it is not settled. One that was discarded meanwhile stays so.
-- params: shard smallint, epoch bigint, ids bigint[], to_topic text (NULL is their own),
--         decided_by text
-- rows: one (number or NULL, ids bigint[])     transaction: none (autocommit)
WITH mine AS (
    UPDATE outbox.dead_letter_shard AS s SET number = s.number + 1
    WHERE s.shard = %(shard)s::smallint AND s.epoch = %(epoch)s::bigint
      AND NOT EXISTS (SELECT FROM outbox.dead_letter_event AS e
                      WHERE e.shard = s.shard AND e.state = 'redriving')
    RETURNING s.shard, s.number
), chosen AS (
    UPDATE outbox.dead_letter_event AS e
    SET state = 'redriving', number = mine.number, to_topic = %(to_topic)s::text,
        decided_by = %(decided_by)s::text, decided_at = clock_timestamp()
    FROM mine
    WHERE e.id = ANY(%(ids)s::bigint[]) AND e.state = 'parked'
    RETURNING e.id
)
SELECT (SELECT number FROM mine), ARRAY(SELECT id FROM chosen)
