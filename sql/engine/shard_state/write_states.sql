-- shard_state/write_states
-- What shards do, and that their worker lives. Of shards that are not its own it writes only those
-- of which nobody else says anything.
-- params: shards smallint[], states text[], ids bigint[], event_ids uuid[], topics text[],
--         reasons text[], hints text[], worker text, is_owner boolean
-- rows: rowcount     transaction: any
INSERT INTO outbox.shard_state AS kept
    (shard, worker, state, id, event_id, topic, reason, hint)
SELECT shard, %(worker)s::text, state, id, event_id, topic, reason, hint
FROM unnest(%(shards)s::smallint[], %(states)s::text[], %(ids)s::bigint[],
            %(event_ids)s::text[]::uuid[], %(topics)s::text[], %(reasons)s::text[],
            %(hints)s::text[])
     AS given (shard, state, id, event_id, topic, reason, hint)
ON CONFLICT (shard) DO UPDATE SET
    worker = excluded.worker, state = excluded.state, id = excluded.id,
    event_id = excluded.event_id, topic = excluded.topic, reason = excluded.reason,
    hint = excluded.hint, seen_at = excluded.seen_at,
    since = CASE WHEN kept.state = excluded.state AND kept.id IS NOT DISTINCT FROM excluded.id
                 THEN kept.since ELSE excluded.since END
WHERE %(is_owner)s::boolean OR kept.worker = excluded.worker OR kept.state = 'no_worker'
   OR kept.seen_at < clock_timestamp() - interval '15 s'
