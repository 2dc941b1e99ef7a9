"""Whether the topics of waiting events are there."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from outbox_worker.doctor.finding import Finding, failed, passed, warned
from outbox_worker.doctor.topics import named

if TYPE_CHECKING:
    from outbox_worker.doctor.servers import Servers


def look(servers: Servers) -> Finding:
    """Fails where one is missing, and names all that are."""
    waiting = servers.once(named.waiting)
    missing = named.missing(servers)
    if not missing:
        if not waiting.topics:
            return passed("no event waits")
        return passed(f"all {len(waiting.topics)} that events wait for{waiting.hint}")
    events = sum(waiting.topics[name].events for name in missing)
    seen = f"{events} events wait for topics that are missing: {', '.join(missing)}{waiting.hint}"
    if servers.settings.create_topics is not None:
        return warned(
            seen,
            "Workers create them (OUTBOX_CREATE_TOPICS), if they may and "
            "OUTBOX_CREATE_TOPICS_PATTERN allows it; see shard_held in their logs",
        )
    return failed(
        seen,
        "Create them with as many partitions and replicas as their subscribers need; or, if a name "
        "is wrong, change the events (docs/operations.md, An event that can never go out)",
        _line(missing),
    )


def _line(missing: list[str]) -> str:
    order = "kafka-topics.sh --bootstrap-server BROKER:9092 --create --partitions N --topic"
    if len(missing) == 1:
        return f"{order} {shlex.quote(missing[0])}"
    return f'for topic in {shlex.join(missing)}; do {order} "$topic"; done'
