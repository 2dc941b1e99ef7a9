-- A worker's rights in parts, so that a login has only those of its work: to publish, to execute
-- commands, to remove what is old, to operate. `outbox_worker` is the sum of the first two.
-- roles: outbox_worker, outbox_relay, outbox_commands, outbox_purge, outbox_operator

DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY
        ARRAY['outbox_relay', 'outbox_commands', 'outbox_purge', 'outbox_operator'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            -- Roles belong to the cluster: another database may make it just now.
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;
            END;
        END IF;
    END LOOP;
    -- What an application grants to outbox_commands, a login with outbox_worker has too.
    FOREACH wanted IN ARRAY ARRAY['outbox_relay', 'outbox_commands'] LOOP
        IF NOT pg_has_role('outbox_worker', wanted, 'usage') THEN
            BEGIN
                EXECUTE format('GRANT %I TO outbox_worker', wanted);
            EXCEPTION WHEN unique_violation THEN
                NULL;
            END;
        END IF;
    END LOOP;
END $$;

GRANT USAGE ON SCHEMA outbox TO outbox_relay, outbox_commands, outbox_purge, outbox_operator;
GRANT EXECUTE ON FUNCTION outbox.shard_count
    TO outbox_relay, outbox_commands, outbox_purge, outbox_operator;

-- The relay reads events, writes where it stands, and adds days.
GRANT SELECT ON outbox.event, outbox.position, outbox.purged, outbox.topic, outbox.hold,
    outbox.source, outbox.migration, outbox.lag, outbox.application_sequence, outbox.sequence
    TO outbox_relay;
GRANT INSERT, UPDATE ON outbox.position, outbox.topic TO outbox_relay;
GRANT INSERT, UPDATE, DELETE ON outbox.hold TO outbox_relay;
GRANT EXECUTE ON FUNCTION outbox.add_partition, outbox.list_application_sequences TO outbox_relay;

-- The part for commands finishes them, and appends events of any topic: it needs no right for them.
GRANT SELECT ON outbox.command, outbox.migration, outbox.application_sequence, outbox.sequence
    TO outbox_commands;
GRANT UPDATE (status, result, error, finished_at, failures, retry_at)
    ON outbox.command TO outbox_commands;
GRANT INSERT (topic, key, type, payload, event_id, headers, content_type)
    ON outbox.event TO outbox_commands;
GRANT SELECT (id, event_id, created_at, content_type) ON outbox.event TO outbox_commands;
GRANT USAGE ON SEQUENCE outbox.event_id_seq TO outbox_commands;
GRANT EXECUTE ON FUNCTION outbox.list_application_sequences TO outbox_commands;
GRANT REFERENCES ON outbox.all_topics, outbox.all_commands TO outbox_commands;

CREATE OR REPLACE FUNCTION outbox.needs_right(relation regclass) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN NOT pg_has_role(session_user, 'outbox_commands', 'member')
   AND NOT pg_has_role(session_user, (SELECT relowner FROM pg_class WHERE oid = relation), 'member');

-- Events go by drop_partition() and this function alone: published ones, as far as the mirror knows.
-- It deletes up to `most` of the default partition that are older than `before` and above the id
-- `beyond`, lowest id first, and remembers how far.
CREATE FUNCTION outbox.purge_default(
    beyond bigint, before timestamptz, most bigint, OUT removed bigint, OUT highest bigint
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET jit = off
SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    WITH old AS (
        SELECT event.id, event.created_at FROM outbox.event_default AS event
        JOIN outbox.position USING (shard)
        WHERE event.id > beyond AND event.created_at < before
          AND (pg_visible_in_snapshot(event.xid, position.seen)
               OR (event.id <= position.cursor
                   AND pg_visible_in_snapshot(event.xid, position.upper)))
        ORDER BY event.id
        LIMIT most
    ), gone AS (
        DELETE FROM outbox.event_default AS event USING old
        WHERE event.id = old.id AND event.created_at = old.created_at
        RETURNING event.id, event.xid
    ), noted AS (
        INSERT INTO outbox.purged AS kept (id, xid)
        SELECT max(gone.id), max(gone.xid::text::bigint)::text::xid8 FROM gone HAVING count(*) > 0
        ON CONFLICT (one) DO UPDATE SET id = greatest(kept.id, excluded.id),
                                        xid = greatest(kept.xid, excluded.xid)
    )
    SELECT count(*), max(gone.id) INTO removed, highest FROM gone;
END $$;
REVOKE ALL ON FUNCTION outbox.purge_default FROM PUBLIC;

-- Of events, purge reads what tells whether they are published, and nothing that a writer wrote.
GRANT SELECT (id, xid, shard, event_id, created_at) ON outbox.event, outbox.event_default
    TO outbox_purge;
GRANT SELECT ON outbox.position, outbox.purged, outbox.migration TO outbox_purge;
GRANT SELECT, DELETE ON outbox.idempotency_key, outbox.unowned_idempotency_key TO outbox_purge;
GRANT SELECT (command_id, finished_at) ON outbox.command TO outbox_purge;
-- To lock rows takes the right to update some column.
GRANT UPDATE (retry_at) ON outbox.command TO outbox_purge;
GRANT DELETE ON outbox.command TO outbox_purge;
GRANT EXECUTE ON FUNCTION outbox.has_unpublished, outbox.drop_partition, outbox.purge_default
    TO outbox_purge;

-- An operator looks at everything, says what writers may write, mends an event that cannot be
-- published or deletes it, and gives a lost history new positions (rebase).
GRANT SELECT ON ALL TABLES IN SCHEMA outbox TO outbox_operator;
GRANT INSERT, UPDATE, DELETE ON outbox.topic_right, outbox.command_right, outbox.source
    TO outbox_operator;
GRANT EXECUTE ON FUNCTION outbox.as_like TO outbox_operator;
GRANT UPDATE (topic, key, type, headers, payload, content_type, xid, horizon)
    ON outbox.event TO outbox_operator;
GRANT DELETE ON outbox.event, outbox.purged TO outbox_operator;
GRANT INSERT, UPDATE ON outbox.position TO outbox_operator;
GRANT EXECUTE ON FUNCTION outbox.has_unpublished, outbox.list_application_sequences
    TO outbox_operator;
-- It sets sequences and renumbers rows, also those of an application: with the owner's rights.
ALTER FUNCTION outbox.catch_up() SECURITY DEFINER;
GRANT EXECUTE ON FUNCTION outbox.catch_up TO outbox_operator;

-- To publish and to execute commands takes no right to remove anything.
REVOKE INSERT, UPDATE ON outbox.purged FROM outbox_worker;
REVOKE DELETE ON outbox.event_default, outbox.idempotency_key, outbox.unowned_idempotency_key,
    outbox.command FROM outbox_worker;
REVOKE EXECUTE ON FUNCTION outbox.has_unpublished, outbox.drop_partition FROM outbox_worker;

-- As in 0007.
LOCK TABLE outbox.command IN SHARE UPDATE EXCLUSIVE MODE;
SET LOCAL lock_timeout = '300ms';
LOCK TABLE outbox.command IN ACCESS EXCLUSIVE MODE;

DROP POLICY worker_has_all ON outbox.command;
CREATE POLICY worker_reads_all ON outbox.command FOR SELECT
    TO outbox_worker, outbox_commands, outbox_purge, outbox_operator USING (true);
CREATE POLICY worker_finishes ON outbox.command FOR UPDATE
    TO outbox_worker, outbox_commands USING (true);
-- Whatever else a login may: with the right to purge goes only what is finished.
CREATE POLICY purge_locks_finished ON outbox.command FOR UPDATE TO outbox_purge
    USING (finished_at IS NOT NULL);
CREATE POLICY purge_removes_finished ON outbox.command FOR DELETE TO outbox_purge
    USING (finished_at IS NOT NULL);
ALTER POLICY others_have_what_was_granted ON outbox.command
    USING (NOT pg_has_role(current_user, 'outbox_writer', 'usage')
           AND NOT pg_has_role(current_user, 'outbox_purge', 'usage'))
    WITH CHECK (NOT pg_has_role(current_user, 'outbox_writer', 'usage')
                AND NOT pg_has_role(current_user, 'outbox_purge', 'usage'));
