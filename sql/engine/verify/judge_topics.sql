-- verify/judge_topics
-- By topic: events of the table, those in the topic, not yet published, published and no longer
-- kept by the topic, lost; events that are in the topic more than once or come after a later one
-- of their key; records whose event is not in the table; events with an id that an earlier one of
-- the topic has (the writer's doing: each has its own record); parked, discarded. Order is judged
-- by each event's first record, within a key and a partition: an event is late behind one that was
-- written when its own transaction had ended (see event.horizon), or behind a later one of its own.
-- (Ids are asked for as well: xids begin anew in a cluster that a dump is loaded into.) An event
-- that was redriven to another topic counts under its own, and is ordered among those alone.
-- params: seen pg_snapshot[], upper pg_snapshot[], cursors bigint[] (by shard, from 1),
--         topics text[], horizons timestamptz[] (what is older may have left the topic)
-- rows: many     transaction: the caller's, after ledger/create_noted and scan/copy_found
WITH record AS (
    SELECT event_id, topic, partition, min(record_offset) AS record_offset,
           sum(count(*)) OVER (PARTITION BY event_id, topic) AS times
    FROM (SELECT found.event_id, coalesce(sent.topic, found.topic) AS topic, record_offset,
                 CASE WHEN sent.id IS NULL THEN partition ELSE -1 - partition END AS partition
          FROM pg_temp.found LEFT JOIN pg_temp.noted AS sent
               ON (sent.event_id, sent.to_topic) = (found.event_id, found.topic)) AS each
    GROUP BY event_id, topic, partition
), first AS (
    SELECT DISTINCT ON (event_id, topic) * FROM record ORDER BY event_id, topic, record_offset
), copied AS (
    SELECT id, copies, row_number() OVER (PARTITION BY event_id, topic ORDER BY id) AS nth
    FROM outbox.event JOIN (SELECT event_id, topic, count(*) AS copies FROM outbox.event
                            GROUP BY 1, 2 HAVING count(*) > 1) AS twice USING (event_id, topic)
), row AS (
    SELECT event.topic, nth > 1 AS is_second,
           CASE WHEN first.times >= coalesce(nth, 1) THEN 'found'
                WHEN noted.aside IS NOT NULL THEN noted.aside
                WHEN (pg_visible_in_snapshot(event.xid, (%(seen)s::text[]::pg_snapshot[])[shard + 1])
                      OR (event.id <= (%(cursors)s::bigint[])[shard + 1] AND pg_visible_in_snapshot(
                          event.xid, (%(upper)s::text[]::pg_snapshot[])[shard + 1]))) IS NOT TRUE THEN 'waiting'
                WHEN event.created_at < kept.gone_before THEN 'gone' ELSE 'lost' END AS became,
           first.times > coalesce(copies, 1) AND coalesce(nth, 1) = 1 AS is_repeated,
           event.key IS NOT NULL AND first.event_id IS NOT NULL AND nth IS NULL
           AND (event.xid < max(event.horizon) OVER of_key AND event.id < max(event.id) OVER of_key
                OR event.id < max(event.id) OVER (of_key_and_xid ORDER BY first.record_offset))
               AS is_late
    FROM outbox.event LEFT JOIN first USING (event_id, topic) LEFT JOIN copied USING (id)
         LEFT JOIN pg_temp.noted ON noted.id = event.id
         LEFT JOIN unnest(%(topics)s::text[], %(horizons)s::timestamptz[]) AS kept (topic, gone_before)
             ON kept.topic = coalesce(noted.to_topic, event.topic)
    WINDOW of_key AS (PARTITION BY event.topic, event.key, first.partition, nth IS NULL
                      ORDER BY first.record_offset),
           of_key_and_xid AS (PARTITION BY event.topic, event.key, first.partition, nth IS NULL, event.xid)
), stranger AS (
    SELECT topic, count(*) AS records, count(*) FILTER (WHERE times > 1) AS duplicated
    FROM first WHERE NOT EXISTS (
        SELECT FROM outbox.event AS e WHERE (e.event_id, e.topic) = (first.event_id, first.topic))
    GROUP BY topic
)
SELECT topic, count(*), count(*) FILTER (WHERE became = 'found'),
       count(*) FILTER (WHERE became = 'waiting'), count(*) FILTER (WHERE became = 'gone'),
       count(*) FILTER (WHERE became = 'lost'),
       count(*) FILTER (WHERE is_repeated) + coalesce(max(stranger.duplicated), 0),
       count(*) FILTER (WHERE is_late), coalesce(max(stranger.records), 0),
       count(*) FILTER (WHERE is_second), count(*) FILTER (WHERE became = 'parked'),
       count(*) FILTER (WHERE became = 'discarded')
FROM row LEFT JOIN stranger USING (topic) GROUP BY topic ORDER BY topic
