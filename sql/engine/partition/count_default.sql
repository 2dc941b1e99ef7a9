-- partition/count_default
-- How many events purge would delete from the default partition.
-- params: before timestamptz
-- rows: one     transaction: any
SELECT count(*) FROM outbox.event_default AS event
JOIN outbox.position USING (shard)
WHERE event.created_at < %(before)s::timestamptz
  AND (pg_visible_in_snapshot(event.xid, position.seen)
       OR (event.id <= position.cursor AND pg_visible_in_snapshot(event.xid, position.upper)))
