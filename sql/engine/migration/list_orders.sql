-- migration/list_orders
-- What an administrator runs so that this user can migrate this database: the roles that are
-- missing, the right to grant them, and the right to make the schemas.
-- params: roles text[]
-- rows: many (text, one statement each)     transaction: any
SELECT format('CREATE ROLE %%I NOLOGIN;', wanted)
FROM unnest(%(roles)s::text[]) AS wanted
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted)
UNION ALL
SELECT format('GRANT %%s TO %%I WITH ADMIN OPTION;',
              (SELECT string_agg(quote_ident(wanted), ', ') FROM unnest(%(roles)s::text[]) AS wanted),
              current_user)
UNION ALL
SELECT format('GRANT CREATE ON DATABASE %%I TO %%I;', current_database(), current_user)
