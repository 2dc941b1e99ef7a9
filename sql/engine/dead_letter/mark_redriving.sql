-- dead_letter/mark_redriving
-- Take parked events in hand for a redrive, under the next number of their shard; none where the epoch
-- is not ours, or a redrive before it is not settled. One that was discarded meanwhile stays so; where
-- somebody is about to decide about one, nothing is waited for: `LockNotAvailable`.
-- params: shard smallint, epoch bigint, ids bigint[], to_topic text (NULL is their own),
--         decided_by text
-- rows: one (number or NULL, ids bigint[])     transaction: none (autocommit)
WITH mine AS (
    UPDATE outbox.dead_letter_shard AS s SET number = s.number + 1
    WHERE s.shard = %(shard)s::smallint AND s.epoch = %(epoch)s::bigint
      AND NOT EXISTS (SELECT FROM outbox.dead_letter_event AS e
                      WHERE e.shard = s.shard AND e.state = 'redriving')
    RETURNING s.shard, s.number
), free AS MATERIALIZED (
    SELECT id FROM outbox.dead_letter_event
    WHERE id = ANY(%(ids)s::bigint[]) AND state = 'parked'
    FOR NO KEY UPDATE NOWAIT
), chosen AS (
    UPDATE outbox.dead_letter_event AS e
    SET state = 'redriving', number = mine.number, to_topic = %(to_topic)s::text,
        decided_by = %(decided_by)s::text, decided_at = clock_timestamp()
    FROM mine, free
    WHERE e.id = free.id AND e.state = 'parked'
    RETURNING e.id
)
SELECT (SELECT number FROM mine), ARRAY(SELECT id FROM chosen)
