-- migration/list_orders
-- What an administrator runs so that this user can migrate this database: the roles that are
-- missing, the right to grant one to the other, and the right to make the schemas.
-- params: none
-- rows: many (text, one statement each)     transaction: any
SELECT format('CREATE ROLE %I NOLOGIN;', wanted)
FROM unnest(ARRAY['outbox_writer', 'outbox_worker', 'outbox_reader', 'outbox_domain']) AS wanted
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted)
UNION ALL
SELECT format('GRANT outbox_writer, outbox_domain TO %I WITH ADMIN OPTION;', current_user)
UNION ALL
SELECT format('GRANT CREATE ON DATABASE %I TO %I;', current_database(), current_user)
