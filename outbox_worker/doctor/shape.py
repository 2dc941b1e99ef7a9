"""Topics as the brokers describe them, many at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType

from outbox_worker.kafka.admin import METADATA_S, answer

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from concurrent.futures import Future

    from confluent_kafka import KafkaError
    from confluent_kafka.admin import AdminClient
    from confluent_kafka.admin._topic import TopicDescription

NOBODY: Final = -1
"""The number of a leader that is not there."""


def shape_of(admin: AdminClient, topic: str) -> TopicDescription:
    """A topic; `KafkaException` where it is not there or not ours to see."""
    found: TopicDescription = answer(_asked(admin, [topic])[topic], METADATA_S)
    return found


def shapes_of(
    admin: AdminClient, topics: Collection[str]
) -> dict[str, TopicDescription | KafkaError]:
    """Of each topic what the brokers say: its partitions and our rights, or why not."""
    found: dict[str, TopicDescription | KafkaError] = {}
    for name, asked in _asked(admin, topics).items():
        try:
            found[name] = answer(asked, METADATA_S)
        except KafkaException as error:
            found[name] = error.args[0]
    return found


def _asked(admin: AdminClient, topics: Collection[str]) -> Mapping[str, Future[TopicDescription]]:
    if not topics:
        return {}
    asked: Mapping[str, Future[TopicDescription]] = admin.describe_topics(
        TopicCollection(sorted(topics)),
        include_authorized_operations=True,
        request_timeout=METADATA_S,
    )
    return asked


def settings_of(
    admin: AdminClient, topics: Collection[str]
) -> dict[str, Mapping[str, str] | KafkaError]:
    """Of each topic its settings by name, or why Kafka does not give them."""
    if not topics:
        return {}
    orders = {name: ConfigResource(ResourceType.TOPIC, name) for name in sorted(topics)}
    asked = admin.describe_configs(list(orders.values()), request_timeout=METADATA_S)
    found: dict[str, Mapping[str, str] | KafkaError] = {}
    for name, order in orders.items():
        try:
            entries = answer(asked[order], METADATA_S)
        except KafkaException as error:
            found[name] = error.args[0]
        else:
            found[name] = {key: str(entry.value) for key, entry in entries.items()}
    return found


def leaderless(topic: TopicDescription) -> list[int]:
    """The partitions that no broker leads (librdkafka has none, or one of the number -1)."""
    leaders = {each.id: getattr(each.leader, "id", NOBODY) for each in topic.partitions}
    return [partition for partition, leader in leaders.items() if leader == NOBODY]


def in_sync(topic: TopicDescription) -> int:
    """How many replicas the partition with the fewest has in sync."""
    return min(len(each.isr) for each in topic.partitions)
