-- A vacuum that Postgres runs by itself lets go of a table once somebody has waited for it
-- for deadlock_timeout, and drop_partition() gave up before: no day could be dropped for
-- as long as its vacuum took. It waits in a mode that no reader and no writer waits behind.

-- Drop the partition of a day if all of its rows are published; false where some
-- are not. Nobody can add a row between the look and the drop.
CREATE OR REPLACE FUNCTION outbox.drop_partition(day date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    name text := 'event_' || to_char(day, 'YYYYMMDD');
    lower timestamptz := day::timestamp AT TIME ZONE 'UTC';
    upper timestamptz := (day + 1)::timestamp AT TIME ZONE 'UTC';
    given text := current_setting('lock_timeout');
    a_second_longer text := 1000 * (1 + extract(epoch FROM
        current_setting('deadlock_timeout')::interval)) || 'ms';
BEGIN
    PERFORM set_config('lock_timeout', a_second_longer, true);
    EXECUTE format('LOCK TABLE ONLY outbox.%I IN SHARE UPDATE EXCLUSIVE MODE', name);
    PERFORM set_config('lock_timeout', given, true);
    EXECUTE format('LOCK TABLE ONLY outbox.event, outbox.%I IN ACCESS EXCLUSIVE MODE', name);
    IF outbox.has_unpublished(lower, upper) THEN
        RETURN false;
    END IF;
    EXECUTE format(
        'INSERT INTO outbox.purged AS kept (id, xid)
         SELECT id, xid FROM (SELECT id FROM outbox.%1$I ORDER BY id DESC LIMIT 1) AS a,
                             (SELECT xid FROM outbox.%1$I ORDER BY xid DESC LIMIT 1) AS b
         WHERE true
         ON CONFLICT (one) DO UPDATE SET id = greatest(kept.id, excluded.id),
                                         xid = greatest(kept.xid, excluded.xid)', name);
    EXECUTE format('DROP TABLE outbox.%I', name);
    RETURN true;
END $$;
