-- order/cancel_order
-- Close an open order.
-- params: order_id uuid
-- rows: maybe (order_id)     transaction: the command's
UPDATE orders."order" SET status = 'cancelled'
WHERE order_id = %(order_id)s AND status = 'open'
RETURNING order_id
