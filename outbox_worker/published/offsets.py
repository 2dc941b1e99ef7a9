"""Positions asked of Kafka: as the offsets of the workers' group."""

from __future__ import annotations

from typing import TYPE_CHECKING

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    TopicPartition,
)

from outbox_worker.kafka.admin import METADATA_S, answer
from outbox_worker.kafka.clients import make_consumer
from outbox_worker.settings import ANCHOR_TOPIC

if TYPE_CHECKING:
    from collections.abc import Iterable

    from confluent_kafka.admin import AdminClient

    from outbox_worker.kafka.config import Config


def held_shards(admin: AdminClient, group: str, shards: Iterable[int]) -> set[int]:
    """Those whose position an open transaction may still move; `KafkaException`.

    A client that asks for stable positions waits for all; this question is answered at once.
    """
    found = list_offsets(admin, group, shards, stable=True)
    held = KafkaError.UNSTABLE_OFFSET_COMMIT
    return {each.partition for each in found if each.error and each.error.code() == held}


def list_offsets(
    admin: AdminClient, group: str, shards: Iterable[int], *, stable: bool
) -> list[TopicPartition]:
    """The offsets of the group, at once; `KafkaException`, also without an answer.

    Where a transaction is open, those from before it, or, if `stable`, an error in their place.
    """
    places = [TopicPartition(ANCHOR_TOPIC, shard) for shard in shards]
    asked = admin.list_consumer_group_offsets(
        [ConsumerGroupTopicPartitions(group, places)],
        require_stable=stable,
        request_timeout=METADATA_S,
    )
    found: list[TopicPartition] = answer(asked[group], METADATA_S).topic_partitions
    return found


class PositionReader:
    """Asks for the positions of the group, beside its membership.

    A client of its own: calls on one client wait for each other, and the
    member's is busy polling. As `read_committed` it answers stable positions
    only, as `read_uncommitted` those before a transaction that is still open.
    """

    def __init__(self, config: Config) -> None:
        """Take librdkafka's configuration with the group and the isolation level."""
        self._consumer: Consumer = make_consumer(config)

    def committed(self, shards: Iterable[int], timeout: float) -> list[TopicPartition]:
        """The positions; `KafkaException` with _TIMED_OUT while a transaction holds them."""
        places = [TopicPartition(ANCHOR_TOPIC, shard) for shard in sorted(shards)]
        found = self._consumer.committed(places, timeout=timeout)
        for place in found:
            if place.error is not None:
                raise KafkaException(place.error)
        return found

    def close(self) -> None:
        """Let go of the connections."""
        self._consumer.close()
