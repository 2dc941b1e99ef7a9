-- A day is removed whatever others have made of its row type.
-- roles: outbox_operator

-- An operator reads all of the schema, as in 0013. The owner alone raises a bound.
GRANT SELECT ON outbox.bound TO outbox_operator;

-- As before, and one difference at the end: every login of the database may name the row type of
-- a partition, in a table of its own or in an expression, and DROP TABLE refuses while anything of this kind is
-- there. CASCADE would wait for the locks of such a table while it keeps writers out.
CREATE OR REPLACE FUNCTION outbox.drop_partition(day date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    name text := 'event_' || to_char(day, 'YYYYMMDD');
    given text := current_setting('lock_timeout');
    a_second_longer text := 1000 * (1 + extract(epoch FROM
        current_setting('deadlock_timeout')::interval)) || 'ms';
    looked pg_snapshot;
    grew boolean;
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION 'outbox.drop_partition() works in READ COMMITTED only, this is %',
            upper(current_setting('transaction_isolation'))
            USING ERRCODE = 'invalid_transaction_state',
                  HINT = 'Its look under the lock must see what others have committed since: '
                         'SET default_transaction_isolation = ''read committed''.';
    END IF;
    -- Vacuum, and another purge, are waited for in a mode that keeps no writer waiting. One that
    -- Postgres runs by itself gives way to whoever has waited for deadlock_timeout.
    PERFORM set_config('lock_timeout', a_second_longer, true);
    EXECUTE format('LOCK TABLE ONLY outbox.%I IN SHARE UPDATE EXCLUSIVE MODE', name);
    PERFORM set_config('lock_timeout', given, true);
    looked := pg_current_snapshot();
    IF outbox.has_unpublished(day) THEN
        RETURN false;
    END IF;
    EXECUTE format('LOCK TABLE ONLY outbox.event, outbox.%I IN ACCESS EXCLUSIVE MODE', name);
    EXECUTE format(
        'SELECT EXISTS (
             SELECT FROM outbox.%1$I WHERE xid >= pg_snapshot_xmax($1)
             UNION ALL
             SELECT FROM outbox.%1$I WHERE xid = ANY(ARRAY(SELECT pg_snapshot_xip($1))))', name)
        INTO grew USING looked;
    IF grew THEN
        RETURN false;
    END IF;
    EXECUTE format(
        'INSERT INTO outbox.purged AS kept (id, xid)
         SELECT id, xid FROM (SELECT id FROM outbox.%1$I ORDER BY id DESC LIMIT 1) AS a,
                             (SELECT xid FROM outbox.%1$I ORDER BY xid DESC LIMIT 1) AS b
         WHERE true
         ON CONFLICT (one) DO UPDATE SET id = greatest(kept.id, excluded.id),
                                         xid = greatest(kept.xid, excluded.xid)', name);
    BEGIN
        EXECUTE format('DROP TABLE outbox.%I', name);
    EXCEPTION WHEN dependent_objects_still_exist THEN
        -- What stays is an empty table, which belongs to outbox.event no more.
        EXECUTE format('ALTER TABLE outbox.event DETACH PARTITION outbox.%I', name);
        EXECUTE format('TRUNCATE outbox.%I', name);
    END;
    RETURN true;
END $$;
