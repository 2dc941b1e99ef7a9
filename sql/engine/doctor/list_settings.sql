-- doctor/list_settings
-- Settings as they are for this session, and where each value comes from.
-- params: names text[]
-- rows: many     transaction: any
SELECT name, setting, source FROM pg_settings WHERE name = ANY (%(names)s::text[])
