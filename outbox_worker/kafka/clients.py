"""Clients of Kafka; a property that librdkafka refuses is an error of the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

# Not those of `confluent_kafka`: `opentelemetry-instrument` puts others in their place, which write
# a second `traceparent` into each record, and a span for each, at twenty times the cost.
from confluent_kafka.cimpl import Consumer, Producer

from outbox_worker.errors import SettingsError
from outbox_worker.kafka.config import client_config, without_producer

if TYPE_CHECKING:
    from outbox_worker.kafka.config import Config
    from outbox_worker.settings import Settings


def make_producer(config: Config) -> Producer:
    """A producer; `SettingsError` where librdkafka refuses a property."""
    try:
        return Producer(config)
    except KafkaException as error:
        raise _refused(error) from error


def make_consumer(config: Config) -> Consumer:
    """A consumer; `SettingsError` where librdkafka refuses a property."""
    try:
        return Consumer(config)
    except KafkaException as error:
        raise _refused(error) from error


def make_admin(settings: Settings) -> AdminClient:
    """An admin client; `SettingsError` where librdkafka refuses a property."""
    try:
        return AdminClient(without_producer(client_config(settings)))
    except KafkaException as error:
        raise _refused(error) from error


def _refused(error: KafkaException) -> SettingsError:
    return SettingsError(
        f"librdkafka refuses a property: {error.args[0].str()}",
        "Correct the file that OUTBOX_KAFKA_PROPERTIES names",
    )
