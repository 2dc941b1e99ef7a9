-- verify/judge_topics
-- By topic: events of the table, those in the topic, not yet published, published and no longer
-- kept by the topic, lost; events that are in the topic more than once or come after a later one
-- of their key; records whose event is not in the table; events with an id that an earlier one of
-- the topic has: the writer's doing, and each has its own record. Order is judged by each event's
-- first record, within a key and a partition: an event is late behind one that was written when its
-- own transaction had ended (see event.horizon), or behind a later one of its own transaction.
-- (Ids are asked for as well: xids begin anew in a cluster that a dump is loaded into.)
-- params: seen pg_snapshot[], upper pg_snapshot[], cursors bigint[] (by shard, from 1),
--         topics text[], horizons timestamptz[] (what is older may have left the topic)
-- rows: many     transaction: the caller's, after scan/copy_found
WITH record AS (
    SELECT event_id, topic, partition, min(record_offset) AS record_offset,
           sum(count(*)) OVER (PARTITION BY event_id, topic) AS times
    FROM pg_temp.found GROUP BY event_id, topic, partition
), first AS (
    SELECT DISTINCT ON (event_id, topic) * FROM record ORDER BY event_id, topic, record_offset
), copied AS (
    SELECT id, copies, row_number() OVER (PARTITION BY event_id, topic ORDER BY id) AS nth
    FROM outbox.event JOIN (SELECT event_id, topic, count(*) AS copies FROM outbox.event
                            GROUP BY 1, 2 HAVING count(*) > 1) AS twice USING (event_id, topic)
), kept AS (
    SELECT * FROM unnest(%(topics)s::text[], %(horizons)s::timestamptz[]) AS a (topic, gone_before)
), row AS (
    SELECT event.topic, nth > 1 AS is_second,
           coalesce(first.times >= coalesce(nth, 1), false) AS is_found,
           first.times > coalesce(copies, 1) AND coalesce(nth, 1) = 1 AS is_repeated,
           pg_visible_in_snapshot(event.xid, (%(seen)s::text[]::pg_snapshot[])[shard + 1])
           OR (event.id <= (%(cursors)s::bigint[])[shard + 1]
               AND pg_visible_in_snapshot(
                   event.xid, (%(upper)s::text[]::pg_snapshot[])[shard + 1])) AS is_published,
           coalesce(event.created_at < kept.gone_before, false) AS may_be_gone,
           event.key IS NOT NULL AND first.event_id IS NOT NULL AND nth IS NULL
           AND (event.xid < max(event.horizon) OVER of_key AND event.id < max(event.id) OVER of_key
                OR event.id < max(event.id) OVER (of_key_and_xid ORDER BY first.record_offset))
               AS is_late
    FROM outbox.event LEFT JOIN first USING (event_id, topic) LEFT JOIN kept USING (topic)
         LEFT JOIN copied ON copied.id = event.id
    WINDOW of_key AS (PARTITION BY event.topic, event.key, first.partition, nth IS NULL
                      ORDER BY first.record_offset),
           of_key_and_xid AS (PARTITION BY event.topic, event.key, first.partition, nth IS NULL,
                              event.xid)
), judged AS (
    SELECT topic, count(*) AS events, count(*) FILTER (WHERE is_found) AS found,
           count(*) FILTER (WHERE NOT is_found AND is_published IS NOT TRUE) AS waiting,
           count(*) FILTER (WHERE NOT is_found AND is_published AND may_be_gone) AS gone,
           count(*) FILTER (WHERE NOT is_found AND is_published AND NOT may_be_gone) AS lost,
           count(*) FILTER (WHERE is_repeated) AS duplicated,
           count(*) FILTER (WHERE is_late) AS out_of_order,
           count(*) FILTER (WHERE is_second) AS written_twice
    FROM row GROUP BY topic
), stranger AS (
    SELECT topic, count(*) AS records, count(*) FILTER (WHERE times > 1) AS duplicated
    FROM first WHERE NOT EXISTS (
        SELECT FROM outbox.event AS e WHERE (e.event_id, e.topic) = (first.event_id, first.topic))
    GROUP BY topic
)
SELECT topic, events, found, waiting, gone, lost, judged.duplicated + coalesce(
    stranger.duplicated, 0), out_of_order, coalesce(stranger.records, 0), written_twice
FROM judged LEFT JOIN stranger USING (topic) ORDER BY topic
