"""Whether the table of events has partitions for the days to come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from outbox_worker.doctor.finding import Finding, failed, passed, warned
from outbox_worker.settings import PARTITIONS_AHEAD_DAYS
from outbox_worker.stores import doctor, partition

if TYPE_CHECKING:
    from outbox_worker.doctor.servers import Servers

FEW_DAYS: Final = PARTITIONS_AHEAD_DAYS - 2
"""Workers make one a day, at midnight: with fewer than this they have not for two days."""


def look(servers: Servers) -> Finding:
    """Fails where today's or tomorrow's is missing, warns where workers stopped making them.

    A day whose events are in the default partition can have none: `default_partition` says so.
    """
    today = datetime.now(UTC).date()
    days = [today + timedelta(days=ahead) for ahead in range(PARTITIONS_AHEAD_DAYS + 1)]
    with servers.reading() as link:
        there = set(partition.list_partitions(link))
        absent = [day for day in days if day not in there]
        blocked = set(doctor.list_blocked_days(link, absent))
    missing = [day for day in absent if day not in blocked]
    if not missing:
        but = " but those in the default partition" if blocked else ""
        return passed(f"one for each day up to {days[-1]}{but}")
    ahead = (missing[0] - today).days
    seen = f"none for {missing[0]:%Y-%m-%d} (UTC)" + (
        f" and {len(missing) - 1} more of the next {len(days)} days" if missing[1:] else ""
    )
    remedy = "A worker that publishes makes them within an hour; migrate makes them at once"
    if ahead <= 1:
        return failed(seen, remedy, "outbox-worker migrate")
    if ahead <= FEW_DAYS:
        return warned(seen, remedy, "outbox-worker migrate")
    return passed(f"one for each day up to {missing[0] - timedelta(days=1)}")
