-- migration/hand_over
-- Hand these schemas, and what is in them, over to a role; how many things had another owner. It takes
-- locks only where something had.
-- params: owner text, schemas text[]
-- rows: one     transaction: its own
SELECT outbox.hand_over(%(owner)s::text, %(schemas)s::text[])
