-- Which life of each topic the events went into. A topic that is deleted and made again has
-- another id; what it held before is gone, and is not lost by the relay.
CREATE TABLE outbox.topic (
    topic text PRIMARY KEY,
    topic_id text NOT NULL,
    made_again_at timestamptz
);
GRANT SELECT ON outbox.topic TO outbox_reader, outbox_worker;
GRANT INSERT, UPDATE ON outbox.topic TO outbox_worker;
