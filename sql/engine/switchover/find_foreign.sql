-- switchover/find_foreign
-- Whether events are there of transactions that this server has not begun yet, and the name of
-- a subscription that is enabled and brings events (else NULL).
-- params: none
-- rows: one     index: event_xid_shard_idx     transaction: none (autocommit)
SELECT coalesce((SELECT xid FROM outbox.event ORDER BY xid DESC LIMIT 1)
                >= pg_snapshot_xmax(pg_current_snapshot()), false),
       (SELECT min(subname::text)
        FROM pg_subscription JOIN pg_subscription_rel ON srsubid = pg_subscription.oid
        WHERE subenabled
          AND subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND (srrelid = 'outbox.event'::regclass
               OR srrelid IN (SELECT inhrelid FROM pg_inherits
                              WHERE inhparent = 'outbox.event'::regclass)))
