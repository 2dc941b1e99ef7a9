"""Statements over the days of the event table. Days are UTC."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from outbox_worker.stores.loader import sql

if TYPE_CHECKING:
    from datetime import date, datetime

    from outbox_worker.stores import Connection


def list_partitions(connection: Connection) -> list[date]:
    """The days that have a partition, oldest first."""
    rows = connection.execute(sql.load("partition/list_partitions")).fetchall()
    return [row[0] for row in rows]


class Added(Enum):
    """What came of a day's partition."""

    MADE = True
    THERE = False
    """It was there before."""
    BLOCKED = None
    """Rows of that day sit in the default partition, where they stay."""


def add_partition(connection: Connection, day: date) -> Added:
    """Make the partition of a UTC day."""
    return Added(_one(connection, "partition/add_partition", {"day": day})[0])


def drop_partition(connection: Connection, day: date) -> bool:
    """Drop a day that is published; False where some row of it is not, or came meanwhile."""
    return bool(_one(connection, "partition/drop_partition", {"day": day})[0])


def count_events(connection: Connection, day: date) -> tuple[int, bool]:
    """About how many events a day holds, and whether some are not published."""
    events, unpublished = _one(connection, "partition/count_events", {"day": day})
    return events, unpublished


def count_default(connection: Connection, before: datetime) -> int:
    """How many events `purge_default` would delete in the end."""
    return int(_one(connection, "partition/count_default", {"before": before})[0])


def purge_default(
    connection: Connection, after: int, before: datetime, rows: int
) -> tuple[int, int | None]:
    """Delete up to `rows` published events above id `after`, older than `before`.

    How many those were, and the highest id of them.
    """
    parameters = {"after": after, "before": before, "rows": rows}
    deleted, last = _one(connection, "partition/purge_default", parameters)
    return deleted, last


def _one(connection: Connection, name: str, parameters: dict[str, object]) -> tuple[Any, ...]:
    row = connection.execute(sql.load(name), parameters).fetchone()
    if row is None:
        raise RuntimeError(f"{name} returned no row")
    return row
