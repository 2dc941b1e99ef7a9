"""Kafka clients as the guarantee needs them, and questions to brokers."""
