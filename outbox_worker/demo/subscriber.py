"""A subscriber that knows nothing of the outbox: it reads topics as they are, `read_committed`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from confluent_kafka import OFFSET_BEGINNING, KafkaError, TopicPartition

from outbox_worker.errors import ServerError
from outbox_worker.kafka.admin import partitions_of
from outbox_worker.kafka.clients import make_consumer
from outbox_worker.kafka.config import reader_config
from outbox_worker.kafka.subscribe import event_of
from outbox_worker.timing.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from outbox_worker.kafka.subscribe import Event
    from outbox_worker.settings import Settings

FETCH: Final = 100
POLL_S: Final = 0.2
READ_S: Final = 20.0


def read(settings: Settings, topics: Sequence[str]) -> list[Event]:
    """All events of these topics up to their present end, merged by the time of each (ce_time).

    Of one key in one topic that is the order of the partition; between topics Kafka knows
    none. `ServerError` where the ends are not reached in time.
    """
    config = reader_config(settings, group=settings.group, isolation="read_committed")
    consumer = make_consumer({**config, "enable.partition.eof": True})
    try:
        open_ends = {
            (topic, number) for topic in topics for number in range(partitions_of(consumer, topic))
        }
        consumer.assign([TopicPartition(*place, OFFSET_BEGINNING) for place in open_ends])
        found: list[Event] = []
        deadline = Deadline(READ_S)
        while open_ends:
            if deadline.passed:
                raise ServerError(f"{len(open_ends)} partitions were not read to their end")
            for message in consumer.consume(FETCH, POLL_S):
                fault = message.error()
                if fault is None:
                    found.append(event_of(message))
                elif fault.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  its public name
                    open_ends.discard((message.topic(), message.partition()))
    finally:
        consumer.close()
    return sorted(found, key=lambda event: event.headers.get("ce_time", ""))
