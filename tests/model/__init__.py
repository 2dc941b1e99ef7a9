"""The protocol as a model: the relay's own code on a simulated Postgres and a simulated Kafka."""
