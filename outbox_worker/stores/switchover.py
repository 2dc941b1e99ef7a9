"""Statements about rows that came from another server."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from outbox_worker.stores.loader import sql

if TYPE_CHECKING:
    from outbox_worker.stores import Connection


class Behind(NamedTuple):
    """A sequence, what it has given out, and the highest number that a row has."""

    name: str
    reached: int
    highest: int


class Foreign(NamedTuple):
    """Whether events are of transactions to come; the subscription that brings events, if any."""

    has_future: bool
    subscription: str | None


def list_behind(connection: Connection) -> list[Behind]:
    """Sequences that would give out numbers of rows that are there."""
    rows = connection.execute(sql.load("switchover/list_behind")).fetchall()
    return [Behind(*row) for row in rows]


def catch_up(connection: Connection) -> list[Behind]:
    """Set the sequences that are behind; those that were. For the owner of the schema."""
    rows = connection.execute(sql.load("switchover/catch_up")).fetchall()
    return [Behind(*row) for row in rows]


def find_foreign(connection: Connection) -> Foreign:
    """What shows that the rows are, or are becoming, those of another server."""
    row = connection.execute(sql.load("switchover/find_foreign")).fetchone()
    if row is None:
        raise RuntimeError("switchover/find_foreign returned no row")
    return Foreign(*row)
