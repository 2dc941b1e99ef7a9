"""Events that left the way of the others, about which nobody has decided."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from outbox_worker.doctor.finding import Finding, passed, warned
from outbox_worker.doctor.words import duration, named
from outbox_worker.stores import ledger

if TYPE_CHECKING:
    from outbox_worker.doctor.servers import Servers

TOPICS: Final = 100
MOST: Final = 5


def look(servers: Servers) -> Finding:
    """Warns where some are open: they are published only if somebody redrives them."""
    with servers.reading() as link:
        found = ledger.count_open(link, TOPICS)
        standing = ledger.list_standing(link)
    whole = [each.topic for each in standing]
    parked = f"; parked as a whole: {named(whole, MOST)}" if whole else ""
    if not found:
        return passed(f"none{parked}")
    events = sum(each.events for each in found)
    sequences = sum(each.sequences for each in found)
    topics = [f"{each.topic} ({each.events})" for each in found if each.topic is not None]
    oldest = duration(max(each.seconds for each in found))
    return warned(
        f"{events} events in {sequences} sequences, the oldest parked for {oldest}: "
        f"{named(topics, MOST)}{parked}",
        "They wait until somebody decides: see why, mend it, then redrive them (or discard them); "
        "docs/dead-letters.md",
        "outbox-worker dead-letters list",
        "outbox-worker dead-letters redrive --all",
    )
