-- rebase/insert_judged
-- Judge each event that the transaction sees: `found` in its topic (or in that to which it was
-- redriven), `parked` or `discarded` as a dead letter, `since` (older than the person said),
-- `dropped` (older than what its topic still holds, and published: the ledger says that it was
-- redriven, or the position that is trusted has passed it), or `unpublished`. That is doubtful where
-- its topic may have dropped it, and a position that is not trusted any more had passed it.
-- params: since timestamptz (NULL: none), topics text[], horizons timestamptz[],
--         floors bigint[], cursors bigint[], seen, upper text[] (by shard, from 1; NULL: none),
--         old_floors bigint[], old_cursors bigint[], old_seen, old_upper text[] (of the old positions)
-- rows: rowcount     transaction: the caller's, after ledger/create_noted, scan/copy_found and
--                                 rebase/create_judged
INSERT INTO pg_temp.judged (id, created_at, shard, why, is_doubtful)
SELECT id, created_at, shard, why, why = 'unpublished' AND may_be_gone AND was_passed
FROM (
    SELECT event.id, created_at, shard, coalesce(created_at < gone_before, false) AS may_be_gone,
           coalesce(event.id <= old.floor OR pg_visible_in_snapshot(xid, old.seen)
                    OR (event.id <= old.cursor AND pg_visible_in_snapshot(xid, old.upper)), false)
               AS was_passed,
           CASE WHEN record.event_id IS NOT NULL THEN 'found'
                WHEN noted.aside IS NOT NULL THEN noted.aside
                WHEN created_at < %(since)s::timestamptz THEN 'since'
                WHEN created_at < gone_before AND (
                    noted.id IS NOT NULL
                    OR event.id <= trusted.floor OR pg_visible_in_snapshot(xid, trusted.seen)
                    OR (event.id <= trusted.cursor AND pg_visible_in_snapshot(xid, trusted.upper)))
                THEN 'dropped'
                ELSE 'unpublished' END AS why
    FROM outbox.event
    JOIN (SELECT (nth - 1)::smallint AS shard, floor, cursor, seen::pg_snapshot, upper::pg_snapshot
          FROM unnest(%(floors)s::bigint[], %(cursors)s::bigint[], %(seen)s::text[], %(upper)s::text[])
               WITH ORDINALITY AS given (floor, cursor, seen, upper, nth)) AS trusted USING (shard)
    JOIN (SELECT (nth - 1)::smallint AS shard, floor, cursor, seen::pg_snapshot, upper::pg_snapshot
          FROM unnest(%(old_floors)s::bigint[], %(old_cursors)s::bigint[],
                      %(old_seen)s::text[], %(old_upper)s::text[])
               WITH ORDINALITY AS given (floor, cursor, seen, upper, nth)) AS old USING (shard)
    LEFT JOIN (SELECT DISTINCT found.event_id, coalesce(sent.topic, found.topic) AS topic
               FROM pg_temp.found LEFT JOIN pg_temp.noted AS sent
                    ON (sent.event_id, sent.to_topic) = (found.event_id, found.topic)) AS record
        USING (event_id, topic)
    LEFT JOIN pg_temp.noted ON noted.id = event.id
    LEFT JOIN unnest(%(topics)s::text[], %(horizons)s::timestamptz[]) AS kept (topic, gone_before)
        ON kept.topic = coalesce(noted.to_topic, event.topic)
) AS looked_at
