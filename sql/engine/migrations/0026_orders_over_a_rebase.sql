-- rebase gives the orders to park that are open xids of today: the old ones mean nothing any more.
-- roles: outbox_operator

GRANT UPDATE (xid, event_xid) ON outbox.dead_letter_order TO outbox_operator;
