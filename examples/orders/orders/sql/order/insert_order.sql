-- order/insert_order
-- An open order.
-- params: order_id uuid, customer text, sku text, quantity int, correlation_id uuid
-- rows: rowcount     transaction: the command's
INSERT INTO orders."order" (order_id, customer, sku, quantity, correlation_id)
VALUES (%(order_id)s, %(customer)s, %(sku)s, %(quantity)s, %(correlation_id)s)
