"""Transactions that are prepared and wait for somebody to decide them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from psycopg import sql as identifiers

from outbox_worker.doctor.finding import Finding, passed, warned
from outbox_worker.doctor.words import duration, shards
from outbox_worker.stores import doctor

if TYPE_CHECKING:
    from outbox_worker.doctor.servers import Servers
    from outbox_worker.stores.doctor import Prepared

LONG_S: Final = 60.0
MOST: Final = 3


def look(servers: Servers) -> Finding:
    """Warns of those that are older than a minute: no session's end ends them."""
    with servers.reading() as link:
        found = [each for each in doctor.list_prepared(link) if each.seconds >= LONG_S]
        names = [identifiers.Literal(each.gid).as_string(link) for each in found[:MOST]]
    if not found:
        return passed("none for longer than a minute")
    more = f"; and {len(found) - MOST} more" if len(found) > MOST else ""
    return warned(
        f"{'; '.join(map(_words, found[:MOST]))}{more}",
        "Their own events wait until they are decided, positions grow, and nothing is vacuumed. "
        "Ask their owner's transaction manager, then in their database run one of these",
        *(
            line
            for name in names
            for line in (f"COMMIT PREPARED {name};", f"ROLLBACK PREPARED {name};")
        ),
    )


def _words(found: Prepared) -> str:
    held = f", in the positions of {shards(found.shards)}" if found.shards else ""
    return f"{found.gid} of {found.login} in {found.database} for {duration(found.seconds)}{held}"
