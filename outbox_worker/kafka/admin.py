"""Questions to brokers about topics, groups and rights, and their refusals as errors for people."""

from __future__ import annotations

from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING, Final, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewTopic

from outbox_worker.errors import ServerError
from outbox_worker.kafka import rights
from outbox_worker.settings import ANCHOR_TOPIC, SHARDS

if TYPE_CHECKING:
    from collections.abc import Collection
    from concurrent.futures import Future

    from confluent_kafka.admin import AdminClient
    from confluent_kafka.admin._topic import TopicDescription


Found = TypeVar("Found")


METADATA_S: Final = 5.0
"""Time for one question about topics."""


CREATE_S: Final = 15.0
"""Time for a new topic to be made and known."""


GRACE_S: Final = 1.0
"""How much longer than the client itself its answer is waited for."""


NO_ID: Final = "AAAAAAAAAAAAAAAAAAAAAA"
"""Sixteen bytes of zero, as librdkafka writes ids."""


def partitions_of(client: AdminClient | Consumer, topic: str) -> int:
    """How many partitions `topic` has, 0 where it does not exist; `ServerError`."""
    try:
        metadata = client.list_topics(topic, timeout=METADATA_S).topics[topic]
    except KafkaException as error:
        raise unreachable(error.args[0]) from error
    if metadata.error is None:
        return len(metadata.partitions)
    if metadata.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
        return 0
    raise unreachable(metadata.error, topic)


def topic_ids(admin: AdminClient, topics: Collection[str]) -> dict[str, str]:
    """By topic the id of its present life, of those of which the broker tells one."""
    if not topics:
        return {}
    asked = admin.describe_topics(TopicCollection(sorted(topics)), request_timeout=METADATA_S)
    found = {}
    for name, answer in asked.items():
        # One that is not there, or not ours to see, has none.
        with suppress(KafkaException, TimeoutError):
            found[name] = id_of(answer.result(METADATA_S + GRACE_S))
    return {name: id_ for name, id_ in found.items() if id_}


def id_of(topic: TopicDescription) -> str:
    """The id of a topic as text, "" where the broker has none (before Kafka 2.8)."""
    text = str(topic.topic_id)
    return "" if text == NO_ID else text


def create_topic(admin: AdminClient, topic: str, partitions: int, replication: int) -> None:
    """Make `topic`; it may be there already. `ServerError` where the broker refuses."""
    try:
        answer(order_topic(admin, topic, partitions, replication), CREATE_S)
    except KafkaException as error:
        fault = error.args[0]
        if fault.code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise not_made(fault, topic, partitions) from error


def order_topic(admin: AdminClient, topic: str, partitions: int, replication: int) -> Future[None]:
    """Have `topic` made, without waiting for it; the future raises `KafkaException`."""
    order = NewTopic(topic, num_partitions=partitions, replication_factor=replication)
    made: Future[None] = admin.create_topics([order], request_timeout=CREATE_S)[topic]
    return made


def not_made(fault: KafkaError, topic: str, partitions: int) -> ServerError:
    """The error for a topic that Kafka does not let the worker create."""
    hint = f"Let an administrator run: {by_hand(partitions, topic)}"
    if fault.code() in rights.REFUSALS:
        hint += f" (or grant us to make it: {rights.on_topic(topic, 'Create')})"
    if fault.code() == KafkaError.TOPIC_EXCEPTION:
        hint = (
            "Kafka has no two topics whose names differ only by '.' and '_': delete the other one "
            "if nobody needs it, or give the events that wait another topic (docs/operations.md, "
            "An event that can never go out)"
        )
    return ServerError(f"Kafka did not make topic {topic}: {fault.name()}: {fault.str()}", hint)


class Permission(Enum):
    """Whether a user has a right."""

    GRANTED = "granted"
    DENIED = "denied"
    UNKNOWN = "unknown"
    """The broker does not say."""


def ask_permission(admin: AdminClient, topic: str, operation: str) -> Permission:
    """Whether this user has a right on `topic`.

    `KafkaException` where the broker does not answer, or may not even tell us of the topic.
    """
    asked = admin.describe_topics(
        TopicCollection([topic]), include_authorized_operations=True, request_timeout=METADATA_S
    )
    given = answer(asked[topic], METADATA_S).authorized_operations
    if given is None:
        return Permission.UNKNOWN
    is_given = operation in {each.name for each in given}
    return Permission.GRANTED if is_given else Permission.DENIED


def least_in_sync(admin: AdminClient, topic: str) -> int:
    """The topic's `min.insync.replicas`; `KafkaException` where the broker does not say."""
    order = ConfigResource(ResourceType.TOPIC, topic)
    asked = admin.describe_configs([order], request_timeout=METADATA_S)
    return int(str(answer(asked[order], METADATA_S)["min.insync.replicas"].value))


def members_of(admin: AdminClient, group: str) -> list[str]:
    """The client ids of the members of a group; `KafkaException` where the broker does not say."""
    asked = admin.describe_consumer_groups([group], request_timeout=METADATA_S)
    found = answer(asked[group], METADATA_S)
    return [member.client_id for member in found.members]


def answer(asked: Future[Found], seconds: float) -> Found:
    """The answer to an admin client's question; `KafkaException`, also where none comes in time."""
    try:
        return asked.result(seconds + GRACE_S)
    except TimeoutError as error:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT)) from error  # noqa: SLF001  its own


def unreachable(fault: KafkaError, topic: str = "TOPIC") -> ServerError:
    """The error for a broker that is away or refuses, perhaps for a right on `topic`."""
    hint = rights.hint(fault.code(), topic=topic)
    if topic == ANCHOR_TOPIC and fault.code() in rights.REFUSALS:
        # Kafka does not tell those who may not know of it whether it is there.
        hint += f"; where it is not there yet, also: {by_hand(SHARDS)}"
    return ServerError(
        f"Kafka cannot be reached or refuses us: {fault.name()}: {fault.str()}", hint
    )


def by_hand(partitions: int, topic: str = ANCHOR_TOPIC, *, order: str = "--create") -> str:
    """The line by which an administrator makes or changes a topic."""
    return (
        f"kafka-topics.sh --bootstrap-server BROKER:9092 {order} "
        f"--topic {topic} --partitions {partitions}"
    )
