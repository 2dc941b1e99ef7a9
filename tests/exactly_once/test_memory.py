"""A worker gives back the memory that large events took."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psycopg

from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from tests.harness.cluster import Cluster
    from tests.harness.workers import Worker

MIB: Final = 1024 * 1024
LARGE: Final = (25 * MIB, 25 * MIB, 60 * MIB)
"""Below and above what glibc gives back to the system by itself (32 MiB)."""
KEPT: Final = 30 * MIB
"""Half of one copy of the largest: what a worker may need more than before, for good."""

WAIT_S: Final = 60.0
INSERT: Final = """
    INSERT INTO outbox.event (topic, key, type, payload) VALUES (%s, 'key', 'large', %b)"""
WAITING: Final = "SELECT sum(events) FROM outbox.lag"


def resident(worker: Worker) -> int:
    """Bytes of memory that the process has."""
    status = Path(f"/proc/{worker.process.pid}/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


def test_memory_of_large_events_is_given_back(cluster: Cluster) -> None:
    cluster.take_larger_events()
    topic = f"{cluster.name}.large"
    cluster.create_topics({topic: 1}, **{"max.message.bytes": str(max(LARGE) + MIB)})
    (worker,) = cluster.workers(1)
    with psycopg.connect(cluster.url, autocommit=True) as link:

        def publish(*sizes: int) -> None:
            for size in sizes:
                link.execute(INSERT, (topic, os.urandom(size)))
            wait_until(lambda: link.execute(WAITING).fetchone() == (0,), WAIT_S, "all is published")

        publish(1)
        before = resident(worker)
        publish(*LARGE)
        wait_until(
            lambda: resident(worker) - before <= KEPT,
            WAIT_S,
            f"it has no more than {KEPT // MIB} MiB beyond the {before // MIB} of before",
        )
