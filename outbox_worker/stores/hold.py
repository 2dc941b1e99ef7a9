"""Statements over what shards wait for, as Postgres has it, a second late."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from outbox_worker.stores.loader import sql

if TYPE_CHECKING:
    from collections.abc import Mapping

    from outbox_worker.stores import Connection


class Hold(NamedTuple):
    """The id of an event that cannot go out now, and why."""

    id: int
    reason: str


def write_holds(connection: Connection, given: Mapping[int, Hold | None]) -> None:
    """Keep what these shards wait for; None is nothing."""
    connection.execute(
        sql.load("hold/write_holds"),
        {
            "shards": list(given),
            "ids": [None if each is None else each.id for each in given.values()],
            "reasons": [None if each is None else each.reason for each in given.values()],
        },
    )
