"""From committed rows to Kafka: group, reader, transaction, position."""
