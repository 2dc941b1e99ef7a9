-- partition/purge_default
-- Delete some published events older than `before` from the default partition, lowest id
-- first, and remember how far. What is not published as the mirror knows it stays.
-- params: after bigint (the id where the last call ended), before timestamptz, rows bigint
-- rows: one (how many, where it ended)     index: event_default_pkey
-- transaction: its own
WITH old AS (
    SELECT event.id, event.created_at FROM outbox.event_default AS event
    JOIN outbox.position USING (shard)
    WHERE event.id > %(after)s::bigint AND event.created_at < %(before)s::timestamptz
      AND (pg_visible_in_snapshot(event.xid, position.seen)
           OR (event.id <= position.cursor
               AND pg_visible_in_snapshot(event.xid, position.upper)))
    ORDER BY event.id
    LIMIT %(rows)s::bigint
), gone AS (
    DELETE FROM outbox.event_default AS event USING old
    WHERE event.id = old.id AND event.created_at = old.created_at
    RETURNING event.id, event.xid
), noted AS (
    INSERT INTO outbox.purged AS kept (id, xid)
    SELECT max(id), max(xid::text::bigint)::text::xid8 FROM gone HAVING count(*) > 0
    ON CONFLICT (one) DO UPDATE SET id = greatest(kept.id, excluded.id),
                                    xid = greatest(kept.xid, excluded.xid)
)
SELECT count(*), max(id) FROM gone
