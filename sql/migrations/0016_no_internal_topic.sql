-- An event is for subscribers. The workers' own topic must stay empty, and Kafka refuses records
-- for its internal ones, which would hold a shard for ever. Asked of what is written from now on:
-- what stands in the table stays.
ALTER TABLE outbox.event
    ADD CONSTRAINT event_topic_is_not_internal
        CHECK (topic NOT IN ('outbox.shards', '__consumer_offsets', '__transaction_state',
                             '__share_group_state', '__cluster_metadata')) NOT VALID;
