"""Backlogs: how fast they drain, with what memory, and what that costs Postgres.

The end of a drain is the moment when its last event is readable under
`read_committed`. A subscriber of all events would take a core from the worker, so
the event with the highest id goes to a topic of its own: one worker publishes its
shards in id order, so that event is in the last transaction, and a reader of that
topic alone gets one record and uses no processor. What then is readable of the
other topic is counted from the offsets, outside the measured time.
"""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from confluent_kafka import Consumer, TopicPartition

from bench import statements
from bench.scene import PARTITIONS, WAIT_S, wait_for
from outbox_worker.kafka.config import reader_config
from outbox_worker.stores import partition

if TYPE_CHECKING:
    from bench.scene import Place, Scene, Worker

DRAIN_S: Final = 400.0

WARM_UP: Final = 100_000
DRAINS: Final = 6
ALIKE: Final = 0.1


@dataclass(frozen=True, slots=True)
class Drain:
    """Of one backlog: events per second, peak memory and processor seconds of the worker."""

    events: int
    rate: float
    peak_mib: float
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Costs:
    """What Postgres counted so far."""

    wal: int
    event_changes: int
    event_dead: int
    all_changes: int


def read_costs(place: Place) -> Costs:
    """The counters now; sessions report theirs when they end."""
    with place.connect() as link:
        row = link.execute(statements.load("read_costs")).fetchone()
    if row is None:
        raise RuntimeError("bench/read_costs returned no row")
    return Costs(*(int(each) for each in row))


def drain(place: Place, events: int) -> Drain:
    """Start a worker on the backlog that is there; from assignment to the last readable."""
    consumer = Consumer(
        {
            **reader_config(place.settings, group="bench", isolation="read_committed"),
            "fetch.wait.max.ms": 10_000,
        }
    )
    consumer.assign([TopicPartition(place.end_topic, 0, 0)])
    try:
        with place.worker() as worker:
            ended = _wait_for_end(consumer, worker)
            began = datetime.fromisoformat(worker.said("shards_assigned")[0]["timestamp"])
            seconds = ended - began.timestamp()
            found = Drain(events, events / seconds, worker.peak_mib, worker.cpu_seconds)
            _check_readable(place, events)
            # It is written a second late, and purge believes nothing else.
            wait_for(lambda: _is_mirrored(place), "the mirror to know what is published")
            return found
    finally:
        consumer.close()


def wait_for_last(place: Place) -> None:
    """Return once the event that is published last can be read."""
    config = reader_config(place.settings, group="bench", isolation="read_committed")
    consumer = Consumer({**config, "fetch.wait.max.ms": 20})
    consumer.assign([TopicPartition(place.end_topic, 0, 0)])

    def is_there() -> bool:
        message = consumer.poll(1.0)
        return message is not None and message.error() is None

    try:
        wait_for(is_there, "the event to be readable")
    finally:
        consumer.close()


def warm_up(scene: Scene) -> tuple[int, list[float]]:
    """Drains that do not count, until two that follow each other are alike, or `DRAINS` are over.

    A broker that has just started takes up to three times as long. How many events that were,
    and the rates in events a second.
    """
    rates: list[float] = []
    while len(rates) < DRAINS:
        place = scene.place(f"warm{len(rates)}")
        place.fill(WARM_UP)
        place.finish()
        rates.append(drain(place, WARM_UP).rate)
        scene.drop(place)
        if len(rates) > 1 and abs(rates[-1] / rates[-2] - 1) < ALIKE:
            break
    return len(rates) * WARM_UP, rates


def _is_mirrored(place: Place) -> bool:
    with place.connect() as link:
        return link.execute(statements.load("count_waiting")).fetchone() == (0,)


def _wait_for_end(consumer: Consumer, worker: Worker) -> float:
    deadline = time.monotonic() + DRAIN_S
    while time.monotonic() < deadline:
        message = consumer.poll(1.0)
        if message is not None and message.error() is None:
            return time.time()
        worker.said("shards_assigned")
    raise TimeoutError(f"the backlog did not drain in {DRAIN_S:.0f} s")


def _check_readable(place: Place, events: int) -> None:
    """At least so many offsets are below the last stable one; it moves with the markers."""
    config = reader_config(place.settings, group="bench", isolation="read_committed")
    consumer = Consumer(config)

    def is_readable() -> bool:
        places = [TopicPartition(place.topic, number) for number in range(PARTITIONS)]
        ends = [consumer.get_watermark_offsets(each, timeout=10.0) for each in places]
        return sum(high for _, high in ends) >= events

    try:
        wait_for(is_readable, f"{events} events to be readable", WAIT_S)
    finally:
        consumer.close()


def purge(place: Place, days: int) -> tuple[float, float, int]:
    """Seconds of the command, seconds of the work in it without its start, events removed.

    A day that old has been vacuumed and written out long before.
    """
    with place.connect() as link:
        link.execute(statements.load("vacuum"))
        link.execute(statements.load("checkpoint"))
    environment = {"OUTBOX_DATABASE_URL": place.url}
    began = time.perf_counter()
    order = [place.version.command, "purge", "--older-than-days", str(days), "--json"]
    done = subprocess.run(order, env=environment, check=True, capture_output=True, text=True)
    seconds = time.perf_counter() - began
    began = time.perf_counter()
    subprocess.run(order, env=environment, check=True, capture_output=True, text=True)
    start = time.perf_counter() - began
    return seconds, seconds - start, sum(json.loads(done.stdout)["days"].values())


def make_day(place: Place, days: int) -> None:
    """The partition of the day so many days ago."""
    day = (datetime.now(UTC) - timedelta(days=days)).date()
    with place.connect() as link:
        partition.add_partition(link, day)
