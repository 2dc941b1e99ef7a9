-- dead_letter/settle_redrives
-- Say what became of a shard's redrives: done up to the number that its position in Kafka carries;
-- of later ones nothing is in Kafka, and nothing will be, so that these events are parked again.
-- It counts as a write: a ledger that loses it must not be taken for one that has it.
-- params: shard smallint, epoch bigint, ledger bigint (what the position carries)
-- rows: maybe one (number), none where the epoch is not ours     transaction: none (autocommit)
WITH mine AS (
    UPDATE outbox.dead_letter_shard SET number = number + 1
    WHERE shard = %(shard)s::smallint AND epoch = %(epoch)s::bigint
    RETURNING shard, number
), settled AS (
    UPDATE outbox.dead_letter_event AS e
    SET state = CASE WHEN e.number <= %(ledger)s::bigint THEN 'redriven' ELSE 'parked' END,
        attempts = e.attempts + (e.number <= %(ledger)s::bigint)::integer,
        to_topic = CASE WHEN e.number <= %(ledger)s::bigint THEN e.to_topic END,
        decided_by = CASE WHEN e.number <= %(ledger)s::bigint THEN e.decided_by END,
        decided_at = CASE WHEN e.number <= %(ledger)s::bigint THEN e.decided_at END
    FROM mine
    WHERE e.shard = mine.shard AND e.state = 'redriving'
)
SELECT number FROM mine
