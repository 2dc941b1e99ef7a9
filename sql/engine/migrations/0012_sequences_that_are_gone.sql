-- An application may be dropped with its schema, and its row in application_sequence stays: without
-- this every worker would end at the first look at outbox.sequence.
CREATE OR REPLACE FUNCTION outbox.list_application_sequences()
RETURNS TABLE (name text, reached bigint, highest bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    each outbox.application_sequence;
BEGIN
    FOR each IN SELECT * FROM outbox.application_sequence AS registered
                WHERE to_regclass(registered.sequence) IS NOT NULL LOOP
        RETURN QUERY EXECUTE format(
            'SELECT %L::text, CASE WHEN is_called THEN last_value ELSE 0 END, %s() FROM %s',
            each.sequence, each.highest::regproc, each.sequence::regclass);
    END LOOP;
END $$;
