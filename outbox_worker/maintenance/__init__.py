"""What keeps the outbox tidy beside the relay: partitions, mirror, purge."""
