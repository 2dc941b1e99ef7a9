-- demo/create_orders
-- A table as a service has it: the state that changes together with an event.
-- params: none
-- rows: none     transaction: none (autocommit)
CREATE TABLE demo_order (number text PRIMARY KEY, changes integer NOT NULL DEFAULT 0)
