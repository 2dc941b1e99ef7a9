-- migration/apply_database_rights
-- Close the schemas that migrations have made to those for whom the others are closed.
-- params: none
-- rows: one     transaction: its own
SELECT outbox.apply_database_rights()
