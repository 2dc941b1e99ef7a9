"""What Kafka takes by itself: the ceiling of the throughput, the floor of the latency."""

from __future__ import annotations

import gc
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from bench import statements
from bench.figures import Latency
from outbox_worker.kafka.admin import partitions_of
from outbox_worker.kafka.clients import make_admin, make_producer
from outbox_worker.kafka.config import group_config, producer_config
from outbox_worker.position.position import Place as Border
from outbox_worker.position.position import Position, advance, summarize
from outbox_worker.position.row import KEY, PAYLOAD, EventRow
from outbox_worker.position.snapshot import NOTHING, Snapshot
from outbox_worker.published.committed import CommittedPosition, as_offset
from outbox_worker.relay.group import Group
from outbox_worker.relay.outcome import Committed
from outbox_worker.relay.record import headers_of
from outbox_worker.relay.sources import Sources
from outbox_worker.relay.transaction import Transactions
from outbox_worker.settings import SHARDS

if TYPE_CHECKING:
    from confluent_kafka import Producer

    from bench.scene import Place

TRANSACTIONAL: Final = ("transactional.id", "transaction.timeout.ms")
FLOOR_ROWS: Final = 20
WARM_UP: Final = 150
"""Transactions before the clock starts: the broker has compiled what it runs."""

WARM_UP_ROWS: Final = 5_000
"""Sent before the clock starts: the producer has its id and its connections."""

PRODUCE_WAIT_S: Final = 0.05
FLUSH_S: Final = 120.0


def read_rows(place: Place) -> list[EventRow]:
    """All events of the place as the relay would read them."""
    with place.connect() as link, link.cursor(binary=True) as cursor:
        return cursor.execute(statements.load("read_all"), {"topic": place.topic}).fetchall()


def measure_raw(place: Place, topic: str) -> float:
    """Events per second of an idempotent producer without transactions and without Postgres.

    The rows are in memory before the clock starts; the same properties and the
    same records as the worker's, headers made from the row as any producer must.
    """
    rows = read_rows(place)
    config = producer_config(place.settings, "unused")
    for name in TRANSACTIONAL:
        del config[name]
    config["enable.idempotence"] = True
    producer = make_producer(config)
    partitions_of(make_admin(place.settings), topic)
    _produce(producer, topic, rows[:WARM_UP_ROWS])
    gc.collect()
    gc.freeze()
    began = time.perf_counter()
    _produce(producer, topic, rows)
    seconds = time.perf_counter() - began
    gc.unfreeze()
    return len(rows) / seconds


def _produce(producer: Producer, topic: str, rows: list[EventRow]) -> None:
    produce, source = producer.produce, ("ce_source", "/outbox-worker")
    for row in rows:
        while True:
            try:
                produce(topic, row[PAYLOAD], row[KEY], headers=headers_of(row, source))
            except BufferError:
                producer.poll(PRODUCE_WAIT_S)
            else:
                break
    left = producer.flush(FLUSH_S)
    if left:
        raise RuntimeError(f"{left} records were not delivered")


def measure_floor(place: Place, transactions: int) -> Latency:
    """Milliseconds of one transaction: 20 records over 8 partitions and their positions.

    The product's own producer and member, in a loop, without Postgres.
    """
    rows = read_rows(place)[: FLOOR_ROWS * 50]
    group = Group({**group_config(place.settings, "bench"), "group.id": "bench-floor"})
    producer = Transactions(producer_config(place.settings, "bench-floor"), Sources("/bench"))
    group.join()
    producer.open()
    while len(group.owned) < SHARDS:
        group.poll(0.1)
    counters: dict[int, int] = defaultdict(int)
    taken = []
    try:
        for number in range(transactions + WARM_UP):
            at = number * FLOOR_ROWS % len(rows)
            taken.append(_transact(group, producer, rows[at : at + FLOOR_ROWS], counters))
            group.poll(0)
    finally:
        group.close()
        producer.close()
    return Latency.of(taken[WARM_UP:])


def _transact(
    group: Group, producer: Transactions, rows: list[EventRow], counters: dict[int, int]
) -> float:
    border = Border(NOTHING, Snapshot(1_000_000, 1_000_000), None, 0)
    offsets = []
    for shard, summary in summarize(rows).items():
        counters[shard] += 1
        position = advance(Position(b"1234", "bench-floor"), summary, border)
        offsets.append(as_offset(shard, CommittedPosition(counters[shard], position)))
    member = group.member()
    if member is None:
        raise RuntimeError("the floor's member lost its group")
    began = time.perf_counter()
    outcome = producer.produce(rows) or producer.finish(offsets, member)
    if not isinstance(outcome, Committed):
        raise RuntimeError(f"the floor's transaction failed: {outcome}")  # noqa: TRY004  no type
    return (time.perf_counter() - began) * 1000
