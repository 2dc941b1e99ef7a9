"""How long commands wait to be executed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from outbox_worker.doctor.finding import Finding, failed, passed, warned
from outbox_worker.doctor.words import duration
from outbox_worker.stores import command

if TYPE_CHECKING:
    from outbox_worker.doctor.servers import Servers

LATE_S: Final = 60.0
LOST_S: Final = 600.0
"""Nobody executes commands, or far too few do."""

REMEDY: Final = (
    "See that a worker runs with --role all or commands and the same OUTBOX_DATABASE_URL, and "
    "commands.failing and commands.hot_keys; more OUTBOX_COMMAND_THREADS or workers execute more"
)


def look(servers: Servers) -> Finding:
    """Fails from ten minutes on, warns from one."""
    with servers.reading() as link:
        found = command.list_queued(link)
    if not found:
        return passed("none is queued")
    queued = sum(each.commands for each in found)
    oldest = max(found, key=lambda each: each.seconds)
    seen = f"{queued} are queued, the oldest ({oldest.type}) for {duration(oldest.seconds)}"
    if oldest.seconds < LATE_S:
        return passed(seen)
    return failed(seen, REMEDY) if oldest.seconds >= LOST_S else warned(seen, REMEDY)
