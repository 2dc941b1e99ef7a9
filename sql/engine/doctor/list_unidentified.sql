-- doctor/list_unidentified
-- Tables of ours that a publication sends changes of, and that have nothing by which a row is known
-- (replica identity): Postgres refuses each UPDATE and DELETE of them. And a publication of each.
-- params: schemas text[]
-- rows: many (table, publication)     transaction: any
SELECT format('%%I.%%I', nspname, relname), min(pubname::text)
FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
JOIN pg_publication AS p ON (pubupdate OR pubdelete) AND (
    puballtables
    OR EXISTS (SELECT FROM pg_publication_namespace
               WHERE pnpubid = p.oid AND pnnspid = relnamespace)
    OR EXISTS (SELECT FROM pg_publication_rel WHERE prpubid = p.oid AND prrelid IN (
                   SELECT pg_class.oid UNION SELECT relid FROM pg_partition_ancestors(pg_class.oid))))
WHERE nspname = ANY (%(schemas)s::text[]) AND relkind = 'r' AND relpersistence = 'p'
  AND (relreplident = 'n'
       OR relreplident = 'd' AND NOT EXISTS (
           SELECT FROM pg_index WHERE indrelid = pg_class.oid AND indisprimary AND indisvalid)
       OR relreplident = 'i' AND NOT EXISTS (
           SELECT FROM pg_index WHERE indrelid = pg_class.oid AND indisreplident))
GROUP BY 1 ORDER BY 1
