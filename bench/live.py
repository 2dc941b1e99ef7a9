"""Events as they are written: from commit to a subscriber, also while a worker dies."""

from __future__ import annotations

import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeAlias

from confluent_kafka import Consumer, TopicPartition

from bench import statements
from bench.figures import Latency
from bench.scene import PARTITIONS, wait_for
from outbox_worker.kafka.config import reader_config
from outbox_worker.settings import SHARDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.scene import Place, Scene, Worker

Seen: TypeAlias = list[tuple[float, str, str]]
"""When an event was received, when it was inserted (ce_time), its key."""

CLIENTS: Final = 16
"""Enough to reach 5,000 commits a second where the disk has to be waited for."""

WARM_UP_S: Final = 2
QUIET_S: Final = 1.5
"""Without an event for so long, a subscriber has all."""


@dataclass(frozen=True, slots=True)
class Takeover:
    """Longest gaps in seconds: on the shards of the killed worker, and on the others."""

    killed: float
    others: float


@contextmanager
def pgbench(scene: Scene, place: Place, rate: int, seconds: int) -> Iterator[None]:
    """Write one event a transaction at this rate while the block runs; waits for its end."""
    process = subprocess.Popen(
        [
            *(str(scene.postgres.binary("pgbench")), "-n", "-M", "prepared"),
            *(f"-c{CLIENTS}", "-j1", f"-R{rate}", f"-T{seconds}"),
            *("-D", f"topic={place.topic}", "-f", str(statements.WRITE_ONE), place.url),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield
        words = process.communicate(timeout=seconds + 30)[0]
        if process.returncode:
            raise RuntimeError(f"pgbench failed: {words}")
    finally:
        process.kill()
        process.wait()


@contextmanager
def subscriber(place: Place) -> Iterator[Consumer]:
    """A consumer that stands at the end of every partition."""
    consumer = Consumer(
        {
            **reader_config(place.settings, group="bench", isolation="read_committed"),
            "fetch.wait.max.ms": 500,
        }
    )
    ends = [
        TopicPartition(
            place.topic, n, consumer.get_watermark_offsets(TopicPartition(place.topic, n))[1]
        )
        for n in range(PARTITIONS)
    ]
    consumer.assign(ends)
    try:
        yield consumer
    finally:
        consumer.close()


def receive(consumer: Consumer, until: float, seen: Seen) -> None:
    """Note what arrives until the moment `until` (monotonic)."""
    while (left := until - time.monotonic()) > 0:
        message = consumer.poll(min(left, 0.1))
        if message is None or message.error() is not None:
            continue
        now = time.time()
        headers = dict(message.headers() or ())
        created, key = headers.get("ce_time"), message.key()
        if isinstance(created, bytes) and isinstance(key, bytes):
            seen.append((now, created.decode(), key.decode()))


def measure_latency(scene: Scene, place: Place, rate: int, seconds: int) -> Latency:
    """Milliseconds from insert (so with the writer's own commit) to a subscriber's hand."""
    seen: Seen = []
    with subscriber(place) as consumer, pgbench(scene, place, rate, seconds + WARM_UP_S):
        receive(consumer, time.monotonic() + seconds + WARM_UP_S + QUIET_S, seen)
    taken = [(now, datetime.fromisoformat(made).timestamp()) for now, made, _ in seen]
    first = min(made for _, made in taken) + WARM_UP_S
    return Latency.of([(now - made) * 1000 for now, made in taken if made >= first])


def measure_takeover(scene: Scene, place: Place, rate: int, seconds: int) -> Takeover:
    """SIGKILL one of two workers under load."""
    seen: Seen = []
    with place.worker("one") as one, place.worker("two") as two:
        wait_for(lambda: _shared(one, two), "two workers to share the shards")
        with subscriber(place) as consumer, pgbench(scene, place, rate, seconds):
            killed_at = time.time() + seconds / 4
            receive(consumer, time.monotonic() + seconds / 4, seen)
            gone = one.shards
            one.process.kill()
            receive(consumer, time.monotonic() + seconds * 3 / 4 + QUIET_S, seen)
    with place.connect() as link:
        shards: dict[str, int] = dict(link.execute(statements.load("list_shards")).fetchall())
    gaps = dict.fromkeys(range(SHARDS), 0.0)
    last: dict[int, float] = {}
    for now, _, key in seen:
        shard = shards[key]
        if now > killed_at - 1:
            gaps[shard] = max(gaps[shard], now - last.get(shard, now))
        last[shard] = now
    return Takeover(
        max(gap for shard, gap in gaps.items() if shard in gone),
        max(gap for shard, gap in gaps.items() if shard not in gone),
    )


def _shared(one: Worker, two: Worker) -> bool:
    return len(one.shards) == len(two.shards) == SHARDS // 2
