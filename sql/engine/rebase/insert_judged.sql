-- rebase/insert_judged
-- Judge each event that the transaction sees: `found` in its topic (or in that to which it was
-- redriven), `parked` or `discarded` as a dead letter, `since` (older than the person said),
-- `dropped` (older than what its topic still holds, and published as far as the old positions can
-- be trusted), or `unpublished`.
-- params: since timestamptz (NULL: none), topics text[], horizons timestamptz[],
--         floors bigint[], cursors bigint[], seen, upper text[] (by shard, from 1; NULL: none)
-- rows: rowcount     transaction: the caller's, after ledger/create_noted, scan/copy_found and
--                                 rebase/create_judged
INSERT INTO pg_temp.judged (id, created_at, shard, why)
SELECT event.id, created_at, shard,
       CASE WHEN record.event_id IS NOT NULL THEN 'found'
            WHEN noted.aside IS NOT NULL THEN noted.aside
            WHEN created_at < %(since)s::timestamptz THEN 'since'
            WHEN created_at < kept.gone_before AND (
                event.id <= (%(floors)s::bigint[])[shard + 1]
                OR pg_visible_in_snapshot(xid, (%(seen)s::text[]::pg_snapshot[])[shard + 1])
                OR (event.id <= (%(cursors)s::bigint[])[shard + 1] AND pg_visible_in_snapshot(
                    xid, (%(upper)s::text[]::pg_snapshot[])[shard + 1])))
            THEN 'dropped'
            ELSE 'unpublished' END
FROM outbox.event
LEFT JOIN (SELECT DISTINCT found.event_id, coalesce(sent.topic, found.topic) AS topic
           FROM pg_temp.found LEFT JOIN pg_temp.noted AS sent
                ON (sent.event_id, sent.to_topic) = (found.event_id, found.topic)) AS record
    USING (event_id, topic)
LEFT JOIN pg_temp.noted ON noted.id = event.id
LEFT JOIN unnest(%(topics)s::text[], %(horizons)s::timestamptz[]) AS kept (topic, gone_before)
    ON kept.topic = coalesce(noted.to_topic, event.topic)
