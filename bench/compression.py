"""What the codec of the records costs a drain, and what it saves on the wire and on the disk."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Final, get_args

from confluent_kafka import Consumer, TopicPartition

from bench import drain
from bench.scene import PARTITIONS, WAIT_S, wait_for
from outbox_worker.kafka.config import reader_config
from outbox_worker.settings import Compression

if TYPE_CHECKING:
    from bench.drain import Drain
    from bench.scene import Place, Scene

CODECS: Final[tuple[Compression, ...]] = get_args(Compression)
STATISTICS_MS: Final = 200
READ: Final = 10_000
"""Records asked for at once."""


def measure_round(scene: Scene, number: int, events: int) -> dict[Compression, tuple[Drain, float]]:
    """By codec a drain of the same events and the bytes of one in Kafka.

    Each round begins with another codec.
    """
    first = number % len(CODECS)
    found = {}
    for codec in CODECS[first:] + CODECS[:first]:
        place = replace(scene.place(f"{codec}{number}"), compression=codec)
        place.fill(events)
        place.finish()
        found[codec] = drain.drain(place, events), _bytes_of_an_event(place, events)
        scene.drop(place)
    return found


def _bytes_of_an_event(place: Place, events: int) -> float:
    """What a subscriber of all is sent, which is what lies in the log, by record."""
    received, read = 0, 0

    def note(text: str) -> None:
        nonlocal received
        received = sum(each["rxbytes"] for each in json.loads(text)["brokers"].values())

    config = reader_config(place.settings, group="bench", isolation="read_committed")
    consumer = Consumer({**config, "statistics.interval.ms": STATISTICS_MS, "stats_cb": note})
    consumer.assign([TopicPartition(place.topic, number, 0) for number in range(PARTITIONS)])

    def has_all() -> bool:
        nonlocal read
        read += len(consumer.consume(READ, 1.0))
        return read >= events

    try:
        wait_for(has_all, f"{events} events to be read", WAIT_S)
        last = received
        wait_for(lambda: consumer.poll(1.0) is None and received >= last > 0, "its statistics")
    finally:
        consumer.close()
    return received / events
