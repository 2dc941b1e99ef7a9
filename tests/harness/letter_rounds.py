"""A worker dies or freezes over a dead letter, another takes over, and all is published."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import psycopg
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType

from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    import random

    from tests.harness.cluster import Cluster
    from tests.harness.workers import Worker

INSERT: Final = """
    INSERT INTO outbox.event (topic, key, type, payload)
    VALUES (%(topic)s, %(key)s, 'thing.changed.v1', %(payload)s) RETURNING event_id::text"""
COUNT_OPEN: Final = """
    SELECT count(*) FROM outbox.dead_letter_event WHERE state IN ('parked', 'redriving')"""
COUNT_OPEN_ORDERS: Final = "SELECT count(*) FROM outbox.dead_letter_order WHERE state = 'open'"
REDRIVE_ALL: Final = "SELECT outbox.redrive(everything => true)"

NARROW: Final = "3000"
WIDE: Final = "30000"
LARGE: Final = 9_000
KEYS: Final = 4
WAIT_S: Final = 40.0

REACHED_WHILE_NARROW: Final = ("raise_epochs", "insert_events", "settle_redrives")
"""Steps that come before anything is redriven."""

BEFORE_SETTLING: Final = "after-mark_redriving"
"""A worker dies there so that the next one has something to settle."""


def ask(cluster: Cluster, statement: str, values: Any = ()) -> list[tuple[Any, ...]]:  # noqa: ANN401  what psycopg takes
    """The rows of one statement in its own transaction."""
    with psycopg.connect(cluster.url) as connection:
        return connection.execute(statement, values).fetchall()


def let_in(cluster: Cluster, topic: str, size: str) -> None:
    """Have a topic take records of this size."""
    entry = ConfigEntry("max.message.bytes", size, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    for future in cluster.admin.incremental_alter_configs([resource]).values():
        future.result(WAIT_S)


def write_some(cluster: Cluster, topic: str, count: int, rng: random.Random) -> None:
    """Events of a few keys, or of none, each in its transaction; some are large."""
    for number in range(count):
        key = rng.choice([None, *(f"k{n}" for n in range(KEYS))])
        size = LARGE if number in {1, 2} or rng.random() < 0.1 else 2
        ask(cluster, INSERT, {"topic": topic, "key": key, "payload": rng.randbytes(size)})


def redrive_until(cluster: Cluster, victim: Worker) -> None:
    """Have all redriven, again and again, until a worker is at its point."""

    def reached() -> bool:
        if ask(cluster, COUNT_OPEN_ORDERS) == [(0,)]:
            ask(cluster, REDRIVE_ALL)
        return victim.said("killed")

    wait_until(reached, WAIT_S, "the worker is at its point")


def redrive_all(cluster: Cluster) -> None:
    """Have all redriven until nothing is parked."""

    def is_empty() -> bool:
        if ask(cluster, COUNT_OPEN) == [(0,)]:
            return True
        if ask(cluster, COUNT_OPEN_ORDERS) == [(0,)]:
            ask(cluster, REDRIVE_ALL)
        return False

    wait_until(is_empty, WAIT_S, "nothing is parked")


def play(cluster: Cluster, point: str, death: str, rng: random.Random) -> None:
    """One round: park, die or freeze at `point`, take over, redrive, compare."""
    topic = f"{cluster.name}.narrow"
    cluster.listen_to({topic: 2}, **{"max.message.bytes": NARROW})
    if point.endswith("settle_redrives"):
        first = cluster.worker_dying_over_letters(BEFORE_SETTLING, on_refused="park")
        write_some(cluster, topic, 15, rng)
        redrive_until(cluster, first)
    victim = cluster.worker_dying_over_letters(point, death, on_refused="park")
    write_some(cluster, topic, 15, rng)
    if point.endswith(REACHED_WHILE_NARROW):
        redrive_until(cluster, victim)
        let_in(cluster, topic, WIDE)
    else:
        wait_until(lambda: ask(cluster, COUNT_OPEN) != [(0,)], WAIT_S, "something is parked")
        let_in(cluster, topic, WIDE)
        redrive_until(cluster, victim)
    successor = cluster.worker(on_refused="park")
    write_some(cluster, topic, 15, rng)
    wait_until(lambda: len(successor.shards) == len(range(16)), WAIT_S, "another takes over")
    redrive_all(cluster)
    if death == "STOP":
        victim.resume()
    write_some(cluster, topic, 15, rng)
    redrive_all(cluster)
    cluster.assert_exactly_once(least=45)
    assert ask(cluster, COUNT_OPEN) == [(0,)]
