"""Statements about the server itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from outbox_worker.position.snapshot import Snapshot
from outbox_worker.stores.loader import sql

if TYPE_CHECKING:
    from outbox_worker.stores import Connection


class Identity(NamedTuple):
    """Which cluster, what has ended by now, the highest id and xid that purge dropped."""

    system: int
    fresh: Snapshot
    purged_id: int
    purged_xid: int


def read_identity(connection: Connection) -> Identity:
    """Ask the server who it is."""
    row = connection.execute(sql.load("server/read_identity")).fetchone()
    if row is None:
        raise RuntimeError("server/read_identity returned no row")
    return Identity(row[0], Snapshot.parse(row[1]), row[2], row[3])


def lock_instance(connection: Connection, name: str) -> bool:
    """Take an instance's name for as long as the session lives; False where another has it.

    True as often as the session that has it asks.
    """
    row = connection.execute(sql.load("server/lock_instance"), {"name": name}).fetchone()
    return row is not None and bool(row[0])


def draw_xid(connection: Connection) -> int:
    """A new transaction id."""
    row = connection.execute(sql.load("server/draw_xid")).fetchone()
    if row is None:
        raise RuntimeError("server/draw_xid returned no row")
    return int(row[0])
