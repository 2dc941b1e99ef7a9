-- rebase/list_witnesses
-- By shard the published event with the highest xid and the one with the highest id.
-- params: none
-- rows: many     transaction: the caller's, after rebase/mark_published
WITH published AS (
    SELECT event.shard, event.xid, event.id, event.event_id
    FROM outbox.event JOIN pg_temp.judged USING (id, created_at)
    WHERE judged.why <> 'unpublished'
), top AS (
    SELECT DISTINCT ON (shard) * FROM published ORDER BY shard, xid DESC, id DESC
), last AS (
    SELECT DISTINCT ON (shard) * FROM published ORDER BY shard, id DESC
)
SELECT top.shard, top.xid::text::bigint, top.id, top.event_id::text,
       last.xid::text::bigint, last.id, last.event_id::text
FROM top JOIN last USING (shard)
