-- Why a shard does not move, as its worker says it; a worker that says nothing any more is gone.
-- roles: outbox_worker, outbox_relay, outbox_reader, outbox_operator

-- Written where something changed, and every 5 s as a sign of life. Room on the page: an update
-- stays on it, and no index is written.
CREATE TABLE outbox.shard_state (
    shard smallint PRIMARY KEY CHECK (shard BETWEEN 0 AND outbox.shard_count() - 1),
    worker text NOT NULL,
    state text NOT NULL CHECK (state IN ('up_to_date', 'catching_up', 'held',
        'no_position', 'refusing', 'kafka_away', 'no_worker')),
    id bigint,
    event_id uuid,
    topic text,
    reason text,
    hint text,
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);
GRANT SELECT ON outbox.shard_state TO outbox_reader, outbox_worker, outbox_relay, outbox_operator;
GRANT INSERT, UPDATE ON outbox.shard_state TO outbox_relay;

-- As in 0005, with what each shard does. A worker of an older version writes no state: where the
-- position moves, or never a state was written and nothing waits, it is taken to be well.
CREATE OR REPLACE VIEW outbox.lag AS
WITH place AS (
    SELECT shard.shard::smallint AS shard, coalesce(seen, '1:1:'::pg_snapshot) AS seen,
           upper, cursor, updated_at, worker
    FROM generate_series(0, outbox.shard_count() - 1) AS shard (shard)
         LEFT JOIN outbox.position USING (shard)
), bound AS (
    SELECT pg_snapshot_xmax(seen) AS xmax FROM place ORDER BY 1 LIMIT 1
), unseen AS (
    SELECT shard, xid, id, created_at FROM outbox.event
    WHERE xid >= (SELECT xmax FROM bound)
    UNION ALL
    SELECT shard, xid, id, created_at FROM outbox.event
    WHERE xid = ANY(ARRAY(SELECT pg_snapshot_xip(seen) FROM place))
      AND xid < (SELECT xmax FROM bound)
), waiting AS (
    SELECT shard, count(*) AS events, min(created_at) AS oldest
    FROM unseen JOIN place USING (shard)
    WHERE NOT pg_visible_in_snapshot(xid, seen)
      AND NOT (upper IS NOT NULL AND id <= cursor AND pg_visible_in_snapshot(xid, upper))
    GROUP BY shard
), counted AS (
    SELECT place.shard, place.updated_at, place.worker, waiting.oldest,
           coalesce(waiting.events, 0) AS events, clock_timestamp() AS now
    FROM place LEFT JOIN waiting USING (shard)
), said AS (
    SELECT counted.*, kept.reason, kept.hint, kept.event_id, kept.topic, kept.since,
           kept.state = 'no_worker' AS has_stopped,
           CASE
               WHEN kept.state <> 'no_worker' AND kept.seen_at > now - interval '15 s'
                   THEN kept.state
               WHEN counted.updated_at > greatest(now - interval '15 s', kept.seen_at)
                   THEN 'up_to_date'
               WHEN kept.shard IS NULL AND counted.updated_at IS NULL AND counted.events = 0
                   THEN 'unused'
               WHEN kept.shard IS NULL AND counted.updated_at IS NOT NULL
                    AND coalesce(counted.oldest > now - interval '30 s', true)
                   THEN 'up_to_date'
               ELSE 'no_worker'
           END AS word
    FROM counted LEFT JOIN outbox.shard_state AS kept USING (shard)
), judged AS (
    SELECT said.*,
           CASE
               WHEN word NOT IN ('up_to_date', 'catching_up') THEN word
               WHEN events = 0 THEN 'up_to_date'
               WHEN greatest(oldest, updated_at, since) < now - interval '30 s'
                   THEN 'held'
               ELSE 'catching_up'
           END AS state
    FROM said
)
SELECT shard,
       events,
       coalesce(extract(epoch FROM now - oldest), 0)::float8 AS seconds,
       updated_at AS position_time,
       worker,
       state,
       CASE
           WHEN state = 'no_worker' AND has_stopped THEN reason
           WHEN state = 'no_worker' THEN 'no worker gives a sign of life for it'
           WHEN state = 'held' AND word <> 'held' THEN 'its worker publishes nothing of it and does not say why'
           WHEN state = word THEN reason
       END AS reason,
       CASE
           WHEN state = 'no_worker' THEN 'Ask `outbox-worker doctor`, then start a worker with `outbox-worker run`; if one runs, see its log'
           WHEN state = 'held' AND word <> 'held' THEN 'See the log of the worker'
           WHEN state = word THEN hint
       END AS hint,
       CASE WHEN state = 'held' AND word = 'held' THEN event_id END AS event,
       CASE WHEN state = 'held' AND word = 'held' THEN topic END AS topic,
       CASE WHEN state = word OR state = 'no_worker' THEN since END AS since
FROM judged;

-- Workers of an older version write it until they end; nothing reads it any more.
COMMENT ON TABLE outbox.hold IS 'of workers before outbox.shard_state; nothing reads it';

-- As in 0011, with the held event from outbox.shard_state. Of a dead letter it says what became of
-- it: `parked` with the reason, `discarded` with the reason for which it was parked; one that was
-- redriven is published, with its topic where that is another one.
CREATE OR REPLACE FUNCTION outbox.event_state(
    event_id uuid, written_at timestamptz DEFAULT NULL, OUT state text, OUT reason text
) RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT CASE WHEN l.state IN ('parked', 'redriving') THEN 'parked'
                WHEN l.state = 'discarded' THEN 'discarded'
                WHEN pg_visible_in_snapshot(e.xid, p.seen)
                     OR (e.id <= p.cursor AND pg_visible_in_snapshot(e.xid, p.upper))
                THEN 'published'
                WHEN h.id = e.id THEN 'held'
                ELSE 'waiting' END,
           CASE WHEN l.state = 'redriven' THEN 'to topic ' || l.to_topic
                WHEN l.state IS NOT NULL THEN l.reason
                WHEN pg_visible_in_snapshot(e.xid, p.seen)
                     OR (e.id <= p.cursor AND pg_visible_in_snapshot(e.xid, p.upper)) THEN NULL
                WHEN h.id = e.id THEN h.reason
                WHEN h.id < e.id THEN 'an earlier event of its shard is held' END
    FROM outbox.find_event(event_state.event_id, event_state.written_at) AS e
    LEFT JOIN outbox.position AS p ON p.shard = e.shard
    LEFT JOIN outbox.shard_state AS h ON h.shard = e.shard AND h.state = 'held'
    LEFT JOIN outbox.dead_letter_event AS l ON l.id = e.id;
END;
