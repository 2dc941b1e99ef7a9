-- doctor/list_prepared
-- Prepared transactions of the whole server, oldest first: name, login, database, since when in
-- seconds, and which shards keep it in mind.
-- params: none
-- rows: many     transaction: any
SELECT gid, owner::text, prepared.database::text,
       extract(epoch FROM clock_timestamp() - prepared.prepared)::float8,
       ARRAY(SELECT shard::integer FROM outbox.position
             WHERE EXISTS (SELECT FROM pg_snapshot_xip(seen) AS open (xid)
                           WHERE open.xid::xid = prepared.transaction) ORDER BY shard)
FROM pg_prepared_xacts AS prepared
ORDER BY prepared.prepared
