ALTER TABLE outbox.event ADD CONSTRAINT event_type_has_a_dot CHECK (type ~ '[.]');
