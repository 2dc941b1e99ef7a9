-- dead_letter/insert_events
-- Park events, of the shards whose epoch is ours and that have no redrive under way. One that is in the
-- ledger already stays as it is there.
-- params: shards smallint[], epochs bigint[] (of each of these shards); and for each event
--         ids bigint[], xids bigint[], places smallint[] (its shard), created timestamptz[],
--         topics text[], keys text[], event_ids uuid[], types text[], reasons text[], codes text[],
--         behind bigint[], parked_by text[]
-- rows: many (shard, number): those whose events are parked     transaction: none (autocommit)
WITH mine AS (
    UPDATE outbox.dead_letter_shard AS s SET number = s.number + 1
    FROM unnest(%(shards)s::smallint[], %(epochs)s::bigint[]) AS given (shard, epoch)
    WHERE s.shard = given.shard AND s.epoch = given.epoch
      AND NOT EXISTS (SELECT FROM outbox.dead_letter_event AS e
                      WHERE e.shard = s.shard AND e.state = 'redriving')
    RETURNING s.shard, s.number
), parked AS (
    INSERT INTO outbox.dead_letter_event
        (id, xid, shard, created_at, topic, key, event_id, type, reason, code, behind, parked_by,
         number)
    SELECT id, xid::text::xid8, shard, created_at, topic, key, event_id, type, reason, code, behind,
           parked_by, mine.number
    FROM unnest(%(ids)s::bigint[], %(xids)s::bigint[], %(places)s::smallint[],
                %(created)s::text[]::timestamptz[], %(topics)s::text[], %(keys)s::text[],
                %(event_ids)s::text[]::uuid[], %(types)s::text[], %(reasons)s::text[],
                %(codes)s::text[], %(behind)s::bigint[], %(parked_by)s::text[])
         AS e (id, xid, shard, created_at, topic, key, event_id, type, reason, code, behind,
               parked_by)
    JOIN mine USING (shard)
    ON CONFLICT (id) DO NOTHING
)
SELECT shard, number FROM mine
