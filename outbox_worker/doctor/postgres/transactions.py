"""Transactions that stay open: their events wait, and positions keep them in mind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from outbox_worker.doctor.finding import Finding, passed, warned
from outbox_worker.doctor.words import duration, shards
from outbox_worker.stores import doctor

if TYPE_CHECKING:
    from outbox_worker.doctor.servers import Servers
    from outbox_worker.stores.doctor import OpenTransaction

LONG_S: Final = 60.0
MOST: Final = 3
"""So many are named."""


def look(servers: Servers) -> Finding:
    """Warns of those that have an id and are older than a minute."""
    with servers.reading() as link:
        found = doctor.list_open_transactions(link)
    late = [each for each in found if _age(each) >= LONG_S]
    if not late:
        unseen = sum(each.seconds is None and each.at_least is None for each in found)
        more = f"; of {unseen} we may not see since when" if unseen else ""
        return passed(f"{len(found)} open, none known to be for longer than a minute{more}")
    named = "; ".join(map(_words, late[:MOST]))
    more = f"; and {len(late) - MOST} more" if len(late) > MOST else ""
    return warned(
        f"{named}{more}",
        "Their own events wait until they end, and positions grow until then. Have their owners "
        "end them, or end them yourself (what they did is rolled back)",
        *(
            f'psql "$OUTBOX_DATABASE_URL" -c "SELECT pg_terminate_backend({each.pid})"'
            for each in late[:MOST]
        ),
    )


def _age(found: OpenTransaction) -> float:
    """Its age in seconds, or that which it has at least."""
    return found.seconds if found.seconds is not None else (found.at_least or 0.0)


def _words(found: OpenTransaction) -> str:
    state = f", {found.state}" if found.state else ""
    least = "at least " if found.seconds is None else ""
    held = f", in the positions of {shards(found.shards)}" if found.shards else ""
    who = f"{found.login} ({found.application or 'no name'}, pid {found.pid}{state})"
    return f"{who} for {least}{duration(_age(found))}{held}"
