-- Roles: a writer appends, a reader looks, a worker publishes and tidies up.
-- They are made where they are missing and we may; an administrator can make them
-- before (CREATE ROLE outbox_writer NOLOGIN; and so on) and grant them to logins.
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['outbox_writer', 'outbox_worker', 'outbox_reader'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            -- Roles belong to the cluster: another database may make it just now.
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;
            END;
        END IF;
    END LOOP;
END $$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA outbox FROM PUBLIC;
GRANT USAGE ON SCHEMA outbox TO outbox_writer, outbox_worker, outbox_reader;

-- Writers set their own columns only: never id, xid, shard or created_at.
GRANT INSERT (topic, key, type, payload, event_id, headers, content_type)
    ON outbox.event TO outbox_writer;
GRANT USAGE ON SEQUENCE outbox.event_id_seq TO outbox_writer;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA outbox TO outbox_writer;

GRANT SELECT ON outbox.event, outbox.position, outbox.purged, outbox.lag, outbox.migration
    TO outbox_reader;

GRANT SELECT ON ALL TABLES IN SCHEMA outbox TO outbox_worker;
GRANT INSERT, UPDATE ON outbox.position TO outbox_worker;
GRANT INSERT, UPDATE ON outbox.purged TO outbox_worker;
GRANT DELETE ON outbox.event_default TO outbox_worker;
GRANT DELETE ON outbox.idempotency_key TO outbox_worker;
