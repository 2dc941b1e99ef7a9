"""Partitions made ahead of time, so that rows meet the default one only after long absence."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from outbox_worker.settings import PARTITIONS_AHEAD_DAYS
from outbox_worker.stores import partition

if TYPE_CHECKING:
    from datetime import date

    from outbox_worker.stores import Connection


@dataclass(frozen=True, slots=True)
class Ahead:
    """What a round did: days that got a partition, days whose rows sit in the default one."""

    made: list[date]
    blocked: list[date]


def run_once(connection: Connection, now: datetime | None = None) -> Ahead:
    """Make what is missing from today on; `psycopg.errors.LockNotAvailable` under load."""
    today = (now or datetime.now(UTC)).astimezone(UTC).date()
    days = [today + timedelta(days=ahead) for ahead in range(PARTITIONS_AHEAD_DAYS + 1)]
    there = set(partition.list_partitions(connection))
    outcomes = {day: partition.add_partition(connection, day) for day in days if day not in there}
    return Ahead(
        made=[day for day, made in outcomes.items() if made is partition.Added.MADE],
        blocked=[day for day, made in outcomes.items() if made is partition.Added.BLOCKED],
    )
