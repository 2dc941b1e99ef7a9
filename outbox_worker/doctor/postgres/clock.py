"""The clock of the database server beside that of this host.

Kafka's protocol does not tell the clock of a broker.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from outbox_worker.doctor.finding import Finding, failed, passed, warned
from outbox_worker.stores import doctor

if TYPE_CHECKING:
    from outbox_worker.doctor.servers import Servers

APART_S: Final = 5.0
"""From here on ages and waiting times, which compare both clocks, are wrong."""

REFUSED_S: Final = 3_600.0
"""Brokers refuse records of a time that is so far ahead (message.timestamp.after.max.ms)."""

REMEDY: Final = "Set the clocks of both hosts by NTP (chronyc tracking, timedatectl)"


def look(servers: Servers) -> Finding:
    """Warns where the clocks differ, and fails where Kafka would refuse the times of events."""
    before = datetime.now(UTC)
    with servers.reading() as link:
        theirs = doctor.find_server(link).now
    after = datetime.now(UTC)
    ahead = max((theirs - after).total_seconds(), 0.0) or min(
        (theirs - before).total_seconds(), 0.0
    )
    if abs(ahead) < APART_S:
        return passed("within 5 s of this host")
    way = "ahead of" if ahead > 0 else "behind"
    seen = f"the database is {abs(ahead):,.0f} s {way} this host"
    return failed(seen, REMEDY) if ahead >= REFUSED_S else warned(seen, REMEDY)
