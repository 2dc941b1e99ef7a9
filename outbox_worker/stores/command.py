"""Statements over the inbox of commands."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal, NamedTuple

from outbox_worker.stores.loader import sql

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from outbox_worker.stores import Connection


class Claimed(NamedTuple):
    """A command that is locked for as long as the transaction lasts; `payload` is JSON.

    `seq` is its number in the order of insertion, `last_seq` that of its key's last queued one;
    `walked` counts the entries of the index that were read between the key before and this one,
    and `server` is when the server started.
    """

    command_id: UUID
    type: str
    key: str
    actor: str
    payload: str
    correlation_id: UUID | None
    failures: int
    submitted_at: datetime
    seq: int
    last_seq: int
    walked: int
    server: datetime


class Stretch(NamedTuple):
    """Keys between `low` and `high`, or to the end; then `high`, of which none is up to `floor`."""

    low: str
    high: str | None
    floor: int


class Head(NamedTuple):
    """The lowest queued number of a key, and how many entries of the index were read for it."""

    seq: int | None
    walked: int
    server: datetime


class Writers(NamedTuple):
    """Virtual transactions that may have inserted commands and have not ended."""

    writers: list[str]
    server: datetime


class Queued(NamedTuple):
    """Queued commands of one type; `waiting` of them wait for a retry."""

    type: str
    commands: int
    waiting: int
    seconds: float


def claim_command(
    connection: Connection, way: Sequence[Stretch], server: datetime | None = None
) -> Claimed | None:
    """Lock the first command that can run along the way.

    The floors hold on the server that started then; on any other they are taken for 0.
    """
    parameters = {"way": _told(way), "server": server}
    row = connection.execute(sql.load("command/claim_command"), parameters).fetchone()
    return None if row is None else Claimed(*row)


def find_head(connection: Connection, key: str) -> Head:
    """Walk through a key from its first entry on; autocommit."""
    row = connection.execute(sql.load("command/find_head"), {"key": key}).fetchone()
    if row is None:
        raise RuntimeError("command/find_head returned no row")
    return Head(*row)


def find_writers(connection: Connection) -> Writers:
    """Whose commands may still become visible; autocommit."""
    row = connection.execute(sql.load("command/find_writers")).fetchone()
    if row is None:
        raise RuntimeError("command/find_writers returned no row")
    return Writers(*row)


def finish_command(
    connection: Connection,
    command_id: UUID,
    status: Literal["succeeded", "rejected"],
    outcome: str,
) -> bool:
    """Write down the result, or the error, as JSON; False where it is finished already."""
    parameters = {
        "command_id": command_id,
        "status": status,
        "result": outcome if status == "succeeded" else None,
        "error": outcome if status == "rejected" else None,
    }
    return connection.execute(sql.load("command/finish_command"), parameters).rowcount > 0


def postpone_command(connection: Connection, command_id: UUID, pause: float, counted: int) -> bool:
    """Have it wait for `pause` seconds and count failures; False where another runs it by now."""
    parameters = {"command_id": command_id, "pause": pause, "counted": counted}
    return connection.execute(sql.load("command/postpone_command"), parameters).rowcount > 0


def list_queued(connection: Connection) -> list[Queued]:
    """What waits to be executed, by type."""
    return [Queued(*row) for row in connection.execute(sql.load("command/list_queued")).fetchall()]


def _told(way: Sequence[Stretch]) -> str:
    """As JSON: a third of what it costs as arrays."""
    return json.dumps([each._asdict() for each in way], ensure_ascii=False)
