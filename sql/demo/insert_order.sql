-- demo/insert_order
-- A new order.
-- params: number text
-- rows: rowcount     transaction: any
INSERT INTO demo_order (number) VALUES (%(number)s::text)
