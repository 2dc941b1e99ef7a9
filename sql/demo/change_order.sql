-- demo/change_order
-- Change an order; transactions that want the same one wait for each other here.
-- params: number text
-- rows: one (how often it was changed)     transaction: the caller's, with demo/publish
UPDATE demo_order SET changes = changes + 1 WHERE number = %(number)s::text RETURNING changes
