-- session/pin_settings
-- Give settings of this session these values, whatever the role's, the database's or the
-- environment's are. One that this server does not know is left out. Read-only by the
-- server's own configuration stays: so it answers to a disk that is full.
-- True where the session may write.
-- params: wanted jsonb (an object: name of a setting to its value, as text)
-- rows: one     transaction: the caller's (so that its snapshot waits for nobody)
WITH pinned AS MATERIALIZED (
    SELECT w.name, set_config(w.name, w.value, false) AS value
      FROM jsonb_each_text(%(wanted)s::jsonb) AS w (name, value)
     WHERE current_setting(w.name, true) IS NOT NULL
       AND NOT (w.name = 'default_transaction_read_only'
                AND current_setting('default_transaction_read_only') = 'on'
                AND (SELECT s.source IN ('configuration file', 'command line')
                       FROM pg_settings AS s
                      WHERE s.name = 'default_transaction_read_only'))
)
SELECT count(*) > 0 AND current_setting('default_transaction_read_only') = 'off' FROM pinned
