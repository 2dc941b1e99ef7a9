-- What became of an event, for the login that wrote it.
-- roles: outbox_writer, outbox_worker, outbox_reader

-- By shard the event for which it waits, as its worker wrote it a second ago.
CREATE TABLE outbox.hold (
    shard smallint PRIMARY KEY CHECK (shard BETWEEN 0 AND outbox.shard_count() - 1),
    id bigint NOT NULL,
    reason text NOT NULL,
    since timestamptz NOT NULL DEFAULT clock_timestamp()
);
GRANT SELECT ON outbox.hold TO outbox_reader, outbox_worker;
GRANT INSERT, UPDATE, DELETE ON outbox.hold TO outbox_worker;

-- The caller's own event of this id: event ids are not unique, and another writer may have chosen
-- the same. There is no index on event_id, for it would cost every insert. What is looked at is bounded:
-- with `written_at` the hour around it, else the newest 100,000 ids, then what is not published.
CREATE FUNCTION outbox.find_event(event_id uuid, written_at timestamptz DEFAULT NULL)
RETURNS SETOF outbox.event
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET jit = off SET plan_cache_mode = force_custom_plan
SET enable_seqscan = off SET enable_bitmapscan = off AS $$
#variable_conflict use_variable
BEGIN
    IF written_at IS NOT NULL THEN
        -- Until the function ends.
        PERFORM set_config('enable_seqscan', 'on', true);
        RETURN QUERY SELECT * FROM outbox.event AS e
            WHERE e.created_at >= written_at - interval '30 min'
              AND e.created_at <= written_at + interval '30 min'
              AND e.event_id = find_event.event_id AND e.writer = session_user LIMIT 1;
        RETURN;
    END IF;
    RETURN QUERY SELECT * FROM outbox.event AS e
        WHERE e.id > (SELECT max(id) - 100000 FROM outbox.event)
          AND e.event_id = find_event.event_id AND e.writer = session_user LIMIT 1;
    IF NOT FOUND THEN
        RETURN QUERY
        WITH place AS (
            SELECT coalesce(seen, '1:1:'::pg_snapshot) AS seen
            FROM generate_series(0, outbox.shard_count() - 1) AS shard (shard)
                 LEFT JOIN outbox.position USING (shard)
        )
        SELECT * FROM outbox.event AS e
        WHERE e.xid >= (SELECT pg_snapshot_xmax(seen) AS xmax FROM place ORDER BY 1 LIMIT 1)
          AND e.event_id = find_event.event_id AND e.writer = session_user
        UNION ALL
        SELECT * FROM outbox.event AS e
        WHERE e.xid = ANY(ARRAY(SELECT pg_snapshot_xip(seen) FROM place))
          AND e.event_id = find_event.event_id AND e.writer = session_user
        LIMIT 1;
    END IF;
END $$;

-- One row, or none where this login did not write such an event, or it is not found where it is
-- looked for. `waiting` may be a second old, `published` is certain.
CREATE FUNCTION outbox.event_state(
    event_id uuid, written_at timestamptz DEFAULT NULL, OUT state text, OUT reason text
) RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT CASE WHEN pg_visible_in_snapshot(e.xid, p.seen)
                     OR (e.id <= p.cursor AND pg_visible_in_snapshot(e.xid, p.upper))
                THEN 'published'
                WHEN h.id = e.id THEN 'held'
                ELSE 'waiting' END,
           CASE WHEN pg_visible_in_snapshot(e.xid, p.seen)
                     OR (e.id <= p.cursor AND pg_visible_in_snapshot(e.xid, p.upper)) THEN NULL
                WHEN h.id = e.id THEN h.reason
                WHEN h.id < e.id THEN 'an earlier event of its shard is held' END
    FROM outbox.find_event(event_state.event_id, event_state.written_at) AS e
    LEFT JOIN outbox.position AS p ON p.shard = e.shard
    LEFT JOIN outbox.hold AS h ON h.shard = e.shard;
END;

REVOKE ALL ON FUNCTION outbox.find_event, outbox.event_state FROM PUBLIC;
GRANT EXECUTE ON FUNCTION outbox.event_state TO outbox_writer, outbox_reader, outbox_worker;
