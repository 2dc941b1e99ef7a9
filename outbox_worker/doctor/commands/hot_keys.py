"""Keys that most queued commands have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from outbox_worker.doctor.finding import Finding, passed, warned
from outbox_worker.stores import doctor

if TYPE_CHECKING:
    from outbox_worker.doctor.servers import Servers

MOST: Final = 3
MANY: Final = 100
SHARE: Final = 0.5


def look(servers: Servers) -> Finding:
    """Warns where one key has most of many: its commands run one after the other."""
    with servers.reading() as link:
        found = doctor.list_hot_keys(link, MOST)
    if not found:
        return passed("none")
    words = ", ".join(f"{each.key} ({each.queued})" for each in found)
    first = found[0]
    if first.queued < MANY or first.queued < SHARE * first.of:
        return passed(f"{first.of} queued, most of {words}")
    return warned(
        f"one key has {first.queued} of {first.of} queued commands; most have {words}",
        "Commands of a key run in order, one at a time, however many workers there are: see "
        "commands.failing for one that holds the others up, and whether the key can be narrower",
    )
