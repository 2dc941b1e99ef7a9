-- order/expire_orders
-- Close orders that were placed before a moment; those that another worker has are left to it.
-- params: before timestamptz, rows int
-- rows: many (order_id, correlation_id)     transaction: the job's
UPDATE orders."order" AS found SET status = 'expired'
FROM (SELECT order_id FROM orders."order"
      WHERE status = 'open' AND placed_at < %(before)s
      ORDER BY placed_at LIMIT %(rows)s FOR UPDATE SKIP LOCKED) AS claimed
WHERE found.order_id = claimed.order_id
RETURNING found.order_id, found.correlation_id
