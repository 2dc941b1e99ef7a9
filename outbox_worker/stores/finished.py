"""Statements over commands that are finished and old."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outbox_worker.stores.loader import sql

if TYPE_CHECKING:
    from datetime import datetime

    from outbox_worker.stores import Connection


def delete_commands(
    connection: Connection, after: datetime, before: datetime, rows: int
) -> tuple[int, datetime | None]:
    """Delete some commands that are finished and old: how many, and the newest of them."""
    parameters = {"after": after, "before": before, "rows": rows}
    found = connection.execute(sql.load("finished/delete_commands"), parameters).fetchone()
    if found is None:
        raise RuntimeError("finished/delete_commands returned no row")
    return int(found[0]), found[1]


def count_commands(connection: Connection, before: datetime) -> int:
    """How many finished commands purge would delete."""
    row = connection.execute(sql.load("finished/count_commands"), {"before": before}).fetchone()
    if row is None:
        raise RuntimeError("finished/count_commands returned no row")
    return int(row[0])
