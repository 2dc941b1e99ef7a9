"""Shards that stand still though events wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from outbox_worker.doctor.finding import Finding, failed, passed, warned
from outbox_worker.doctor.words import duration, shards
from outbox_worker.stores import lag

if TYPE_CHECKING:
    from outbox_worker.doctor.servers import Servers

STILL_S: Final = 30.0
"""An event that waits for longer is held up, unless its shard moved since (as `status` has it)."""


def look(servers: Servers) -> Finding:
    """Fails where a shard with old events has not moved, warns where one moves and lags behind."""
    with servers.reading() as link:
        found = lag.list_lag(link)
    late = [each for each in found if each.events and each.seconds > STILL_S]
    events = sum(each.events for each in found)
    if not late:
        return passed(f"{events} events wait, none for longer than {STILL_S:.0f} s")
    oldest = max(each.seconds for each in late)
    still = [
        each.shard
        for each in late
        if each.position_seconds is None or each.position_seconds > STILL_S
    ]
    if still:
        return failed(
            f"{shards(still)} do not move, and {sum(each.events for each in late)} events wait, "
            f"the oldest for {duration(oldest)}",
            "See group.held, group.members and group.transactions for why; if nothing is there, "
            "the log of the worker that owns them (outbox-worker status)",
        )
    return warned(
        f"{shards([each.shard for each in late])} are behind: {events} events wait, the oldest for "
        f"{duration(oldest)}",
        "Workers are catching up; if it grows, start more of them (16 at most), or see their log "
        "for batches_shrunk and database_away",
    )
