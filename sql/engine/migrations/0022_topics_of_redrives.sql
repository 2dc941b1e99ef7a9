-- An event is redriven to a topic that an event may have (0016), and to no other: records in the
-- workers' own topic would end every worker.

ALTER TABLE outbox.dead_letter_order ADD CONSTRAINT redrive_is_to_a_topic_of_events CHECK (
    to_topic IS NULL
    OR to_topic COLLATE "C" ~ '^[A-Za-z0-9._-]{1,249}$'
       AND to_topic NOT IN ('.', '..', 'outbox.shards', 'outbox_shards')
       AND NOT starts_with(to_topic, '__'));
