"""Statements over the inbox of commands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import sql

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from outbox_worker.stores import Connection


class Claimed(NamedTuple):
    """A command that is locked for as long as the transaction lasts; `payload` is JSON.

    `seq` is its number in the order of insertion, `last_seq` that of its key's last queued one.
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


class Queued(NamedTuple):
    """Queued commands of one type; `waiting` of them wait for a retry."""

    type: str
    commands: int
    waiting: int
    seconds: float


def claim_command(
    connection: Connection, after: str, above: int = 0, upto: int = 0
) -> Claimed | None:
    """Lock the next command that can run, of a key behind `after` if there is one.

    Of the key `after` itself those numbered from behind `above` up to `upto` come first.
    """
    parameters = {"after": after, "above": above, "upto": upto}
    row = connection.execute(sql.load("command/claim_command"), parameters).fetchone()
    return None if row is None else Claimed(*row)


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
