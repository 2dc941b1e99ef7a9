"""Rights on Kafka: what a refusal by error code is about, and the line that grants it.

Which rights the worker needs, and why, stands in docs/operations.md.
"""

from __future__ import annotations

from typing import Final

from confluent_kafka import KafkaError

from outbox_worker.settings import ANCHOR_TOPIC

REFUSALS: Final = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    }
)
"""By these Kafka says that our user may not do something, and mostly not on which resource."""

STRANGERS: Final = frozenset(
    {
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError._AUTHENTICATION,  # noqa: SLF001  librdkafka's own codes begin with an underscore
        KafkaError._SSL,  # noqa: SLF001
    }
)
"""By these Kafka says that it does not know us, or we that we do not know it."""

RESERVED: Final = "__"
"""How the names of Kafka's own topics begin."""

SOMEHOW: Final = (
    "Check OUTBOX_KAFKA_BOOTSTRAP_SERVERS, the security properties and this user's rights"
)


def on_topic(topic: str, *operations: str) -> str:
    """The line that grants operations on a topic."""
    return _grant(operations, f"--topic {topic}")


def to_publish(topic: str) -> str:
    """The hint where the worker may not publish to a topic.

    No right is to be granted on Kafka's own topics: who may write to `__consumer_offsets` may
    move the positions of every group.
    """
    if topic.startswith(RESERVED):
        return (
            f"Kafka keeps topics that begin with {RESERVED} for itself: grant nothing. Let the "
            "owner of the schema change the topic of the event, or delete it"
        )
    return _granted(on_topic(topic, "Describe", "Write"))


def on_group(group: str) -> str:
    """The line that lets the worker be a member of its group."""
    return _grant(("Describe", "Read"), f"--group {group}")


def on_transactions(group: str) -> str:
    """The line that lets the worker have transactions under its own id, and end a dead one's."""
    resource = f"--transactional-id {group}. --resource-pattern-type prefixed"
    return _grant(("Describe", "Write"), resource)


def hint(code: int, *, topic: str = ANCHOR_TOPIC, group: str = "GROUP") -> str:
    """What to do about an error of Kafka; `topic` and `group` are those that were asked for."""
    if code == KafkaError.TOPIC_AUTHORIZATION_FAILED:
        return _granted(on_topic(topic, "Describe", "Read"))
    if code == KafkaError.GROUP_AUTHORIZATION_FAILED:
        return _granted(on_group(group))
    if code == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
        return _granted(on_transactions(group))
    if code in STRANGERS:
        return "Check the security properties in the file that OUTBOX_KAFKA_PROPERTIES names"
    return SOMEHOW


def on_settings() -> str:
    """The line that lets us read the brokers' settings; the worker works without it."""
    return _grant(("DescribeConfigs",), "--cluster")


def _granted(line: str) -> str:
    return f"Let an administrator grant it: {line}"


def _grant(operations: tuple[str, ...], resource: str) -> str:
    wanted = " ".join(f"--operation {each}" for each in operations)
    return (
        "kafka-acls.sh --bootstrap-server BROKER:9092 --add "
        f"--allow-principal User:NAME {wanted} {resource}"
    )
