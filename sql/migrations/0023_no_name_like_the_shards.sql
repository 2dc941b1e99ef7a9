-- Kafka takes no topic whose name differs from another's only by '.' and '_'. One that collides
-- with the workers' own can never be made, and would hold a shard for ever. Asked of what is
-- written from now on.
ALTER TABLE outbox.event
    DROP CONSTRAINT event_topic_is_not_internal,
    ADD CONSTRAINT event_topic_is_not_internal
        CHECK (topic NOT IN ('outbox.shards', 'outbox_shards', '__consumer_offsets',
                             '__transaction_state', '__share_group_state',
                             '__cluster_metadata')) NOT VALID;
