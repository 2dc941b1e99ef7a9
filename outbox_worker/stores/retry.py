"""Statements by which an operator sees commands that failed, and has them tried again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from outbox_worker.stores.loader import sql

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from outbox_worker.stores import Connection


class FailedCommand(NamedTuple):
    """A command that was set aside (`set_aside`), or waits for its next attempt (`waiting`).

    `at` is when it failed last, or was submitted; without a cause the last three are None.
    """

    command_id: UUID
    state: str
    type: str
    key: str
    failures: int
    at: datetime
    retry_at: datetime | None
    error_type: str | None
    error: str | None
    place: str | None


class Later(NamedTuple):
    """Later commands of a command's key: how many are finished, how many have its content."""

    finished: int
    same: int


class StoredCommand(NamedTuple):
    """A command as it is stored."""

    command_id: UUID
    type: str
    key: str
    actor: str
    writer: str | None
    correlation_id: UUID | None
    status: str
    failures: int
    retry_at: datetime | None
    submitted_at: datetime
    finished_at: datetime | None
    payload: Mapping[str, Any]
    result: Mapping[str, Any] | None
    error: Mapping[str, Any] | None


class HistoryEntry(NamedTuple):
    """What happened to a command: failed, refused, set_aside or retried, and by whom."""

    at: datetime
    what: str
    attempt: int
    written_by: str
    error_type: str | None
    error: str | None
    place: str | None


def list_commands(connection: Connection, conditions: Mapping[str, object]) -> list[FailedCommand]:
    """Those that meet all of these: `ids`, `state`, `type`, `key`, `since`; at most `most`."""
    rows = connection.execute(sql.load("retry/list_commands"), conditions)
    return [FailedCommand(*row) for row in rows]


def count_later(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, Later]:
    """Of each of these commands that has any, its key's later ones."""
    rows = connection.execute(sql.load("retry/count_later"), {"ids": list(ids)})
    return {command_id: Later(*counts) for command_id, *counts in rows}


def find_command(connection: Connection, command_id: UUID) -> StoredCommand | None:
    """The command of this id, None where there is none."""
    given = {"command_id": command_id}
    row = connection.execute(sql.load("retry/find_command"), given).fetchone()
    return None if row is None else StoredCommand(*row)


def list_history(connection: Connection, command_id: UUID) -> list[HistoryEntry]:
    """What happened to it, the first first; empty where it never failed."""
    rows = connection.execute(sql.load("retry/list_history"), {"command_id": command_id})
    return [HistoryEntry(*row) for row in rows]


def retry_command(connection: Connection, command_id: UUID) -> bool:
    """Have it executed again; False where it is neither set aside nor waiting, or is in hand."""
    given = {"command_id": command_id}
    row = connection.execute(sql.load("retry/retry_command"), given).fetchone()
    return row is not None and bool(row[0])
