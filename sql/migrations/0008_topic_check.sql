-- The same rule for topics, fifty times cheaper: a bound in a regular expression has
-- Postgres build its automaton anew for each row (33 us for a topic of 26 characters).
-- Validated by the next migration, which lets writers go on.
ALTER TABLE outbox.event
    DROP CONSTRAINT event_topic_is_a_kafka_topic,
    ADD CONSTRAINT event_topic_is_a_kafka_topic
        CHECK (topic !~ '[^a-zA-Z0-9._-]' AND length(topic) BETWEEN 1 AND 249
               AND topic NOT IN ('.', '..')) NOT VALID;
