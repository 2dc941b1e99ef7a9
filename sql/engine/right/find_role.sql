-- right/find_role
-- Whether there is a role of this name.
-- params: role text
-- rows: one     transaction: any
SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = %(role)s::text)
