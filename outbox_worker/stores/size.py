"""Statements over what the outbox holds, for gauges that change slowly."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from outbox_worker.stores.loader import sql

if TYPE_CHECKING:
    from outbox_worker.stores import Connection


class Sizes(NamedTuple):
    """Bytes of the table of events, and two moments in seconds since 1970, None for none."""

    bytes: int
    oldest_day: float | None
    last_purge: float | None


def read_sizes(connection: Connection) -> Sizes:
    """How large the table of events is, how old, and when purge last did its work."""
    row = connection.execute(sql.load("size/read_sizes")).fetchone()
    if row is None:
        raise RuntimeError("size/read_sizes returned no row")
    return Sizes(*row)


def count_set_aside(connection: Connection) -> int:
    """How many commands were set aside, and not retried since."""
    row = connection.execute(sql.load("size/count_set_aside")).fetchone()
    if row is None:
        raise RuntimeError("size/count_set_aside returned no row")
    return int(row[0])
