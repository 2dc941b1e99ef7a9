-- doctor/limit_look
-- Give settings of this transaction these values; one that this server does not know is left out.
-- params: wanted jsonb (an object: name of a setting to its value, as text)
-- rows: one (how many)     transaction: the caller's
SELECT count(set_config(wanted.name, wanted.value, true))
FROM jsonb_each_text(%(wanted)s::jsonb) AS wanted (name, value)
WHERE current_setting(wanted.name, true) IS NOT NULL
