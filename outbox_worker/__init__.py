"""Transactional outbox: events committed in Postgres reach Kafka exactly once."""

__version__ = "0.1.0"
