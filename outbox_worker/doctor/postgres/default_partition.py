"""Events for whose day there was no partition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from outbox_worker.doctor.finding import Finding, passed, warned
from outbox_worker.stores import doctor

if TYPE_CHECKING:
    from outbox_worker.doctor.servers import Servers

MANY: Final = 100_000
"""So many are looked at."""


def look(servers: Servers) -> Finding:
    """Warns where there are some: they are published, and only a DELETE can remove them."""
    with servers.reading() as link:
        days = doctor.list_default_days(link)
    if not days:
        return passed("no event is there")
    events = sum(count for _, count in days)
    (first, _), (last, _) = days[0], days[-1]
    which = f"of {first}" if first == last else f"of {first} to {last}"
    return warned(
        f"{'at least ' * (events >= MANY)}{events} events {which}",
        "Nothing is lost, and nothing waits: they are published like all others. See that a worker "
        "runs: the days to come have their partitions then. Purge deletes these one by one when "
        "they are published and old; if they are many, move them: docs/operations.md, Events in "
        "the default partition",
        "outbox-worker purge --older-than-days N",
    )
