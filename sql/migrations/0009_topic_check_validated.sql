-- What was written before 0008 fits the rule as well: it is the same.
ALTER TABLE outbox.event VALIDATE CONSTRAINT event_topic_is_a_kafka_topic;
