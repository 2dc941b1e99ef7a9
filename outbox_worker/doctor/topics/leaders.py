"""Whether each partition has a leader."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outbox_worker.doctor import shape
from outbox_worker.doctor.finding import Finding, failed, passed
from outbox_worker.doctor.topics import named

if TYPE_CHECKING:
    from outbox_worker.doctor.servers import Servers


def look(servers: Servers) -> Finding:
    """Fails where one has none: its events wait, and an open transaction does not end."""
    found = named.there(servers)
    lost = {name: gone for name, each in found.items() if (gone := shape.leaderless(each))}
    if not lost:
        return passed(f"each partition of {len(found)} topics has one")
    words = "; ".join(f"{name}: {', '.join(map(str, gone))}" for name, gone in lost.items())
    return failed(
        f"no broker leads partitions of {len(lost)} topics ({words})",
        "Start a broker that holds a replica of them",
        "kafka-topics.sh --bootstrap-server BROKER:9092 --describe --unavailable-partitions",
    )
