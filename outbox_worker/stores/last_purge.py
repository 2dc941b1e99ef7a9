"""Statements over the last run of purge."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from outbox_worker.stores.loader import sql

if TYPE_CHECKING:
    from datetime import datetime

    from outbox_worker.stores import Connection


class PurgeRun(NamedTuple):
    """A run of purge that did all of its work: when, how long ago, with which limit, as whom."""

    finished_at: datetime
    seconds: float
    older_than_days: int
    written_by: str


def write_run(connection: Connection, older_than_days: int) -> None:
    """Purge did all of its work."""
    connection.execute(sql.load("last_purge/write_run"), {"older_than_days": older_than_days})


def find_run(connection: Connection) -> PurgeRun | None:
    """The last one; None where none is known."""
    row = connection.execute(sql.load("last_purge/find_run")).fetchone()
    return None if row is None else PurgeRun(*row)
