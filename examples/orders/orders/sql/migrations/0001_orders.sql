-- Orders; what else is theirs is in the tables of the outbox.
-- roles: outbox_commands, outbox_reader
CREATE SCHEMA orders;

CREATE TABLE orders."order" (
    order_id uuid CONSTRAINT order_pkey PRIMARY KEY,
    customer text NOT NULL,
    sku text NOT NULL,
    quantity integer NOT NULL CONSTRAINT order_has_a_quantity CHECK (quantity > 0),
    status text NOT NULL DEFAULT 'open'
        CONSTRAINT order_status_is_known CHECK (status IN ('open', 'cancelled', 'expired')),
    correlation_id uuid NOT NULL,
    placed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX order_open_idx ON orders."order" (placed_at) WHERE status = 'open';

-- The worker executes our commands and jobs with its own login.
GRANT USAGE ON SCHEMA orders TO outbox_commands, outbox_reader;
GRANT SELECT, INSERT, UPDATE ON orders."order" TO outbox_commands;
GRANT SELECT ON orders."order" TO outbox_reader;
