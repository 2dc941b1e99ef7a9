"""Rights that commands lack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from outbox_worker.doctor.finding import Finding, failed, passed
from outbox_worker.doctor.words import named
from outbox_worker.postgres.denied import ELSE, grants
from outbox_worker.stores import doctor

if TYPE_CHECKING:
    from outbox_worker.doctor.servers import Servers

MOST: Final = 5


def look(servers: Servers) -> Finding:
    """Fails where commands wait because the worker lacks a right, with the GRANT."""
    with servers.reading() as link:
        found = doctor.list_denied_commands(link)
        lines = [line for each in found for line in grants(link, each.error)]
    if not found:
        return passed("no command lacks a right")
    seen = [f"{each.type} ({each.queued}, as {each.queued_id}): {each.error}" for each in found]
    return failed(
        f"commands wait for a right: {named(seen, MOST)}",
        "As the owner of what they use; the commands are then executed within seconds"
        if lines
        else f"This login lacks nothing of that name now, and they are tried again within seconds. "
        f"If it lasts: {ELSE}",
        *dict.fromkeys(lines),
    )
