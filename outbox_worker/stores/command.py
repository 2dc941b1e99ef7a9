"""Statements over the inbox of commands."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from outbox_worker.stores.loader import sql

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from outbox_worker.stores import Connection

Status: TypeAlias = Literal["succeeded", "rejected"]
What: TypeAlias = Literal["failed", "refused", "set_aside"]
"""What a worker writes into the history of a command: see the table outbox.command_history."""


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


class Finished(NamedTuple):
    """What came of a command: its result or its error, as JSON."""

    command_id: UUID
    status: Status
    outcome: str


class Entry(NamedTuple):
    """Why a command was not executed; `counted` failures (0 or 1) are its own."""

    what: What
    counted: int
    worker: str
    error_type: str
    error: str
    place: str


class Queued(NamedTuple):
    """Queued commands of one type; `waiting` of them wait for a retry."""

    type: str
    commands: int
    waiting: int
    seconds: float


def claim_commands(
    connection: Connection, way: Sequence[Stretch], most: int, server: datetime | None = None
) -> list[Claimed]:
    """Lock the first commands that can run along the way, one of a key.

    The floors hold on the server that started then; on any other they are taken for 0.
    """
    parameters = {"way": _told(way), "server": server, "most": most}
    rows = connection.execute(sql.load("command/claim_commands"), parameters).fetchall()
    found, read_so_far = [], 0
    for *command, last_seq, read_before, read, started in rows:
        walked = read - max(read_before, read_so_far)
        found.append(Claimed._make((*command, last_seq, walked, started)))
        read_so_far = read
    return found


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
    status: Status,
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


def finish_commands(connection: Connection, finished: Sequence[Finished]) -> int:
    """Write down several results and errors; how many of the commands were not finished yet."""
    command_ids, statuses, outcomes = map(list, zip(*finished, strict=True))
    parameters = {"command_ids": command_ids, "statuses": statuses, "outcomes": outcomes}
    return connection.execute(sql.load("command/finish_commands"), parameters).rowcount


def insert_history(connection: Connection, claimed: Claimed, entry: Entry) -> bool:
    """Write down why; False where another worker has it by now, or has counted a failure."""
    parameters = {
        **entry._asdict(),
        "command_id": claimed.command_id,
        "failures": claimed.failures,
        "attempt": claimed.failures + entry.counted,
    }
    return connection.execute(sql.load("command/insert_history"), parameters).rowcount > 0


def limit_group(
    connection: Connection, lock_ms: int, statement_ms: int, transaction_ms: int
) -> None:
    """Have this transaction give up after these times: a lock, a statement, all of it."""
    parameters = {
        "lock_ms": lock_ms,
        "statement_ms": statement_ms,
        "transaction_ms": transaction_ms,
    }
    connection.execute(sql.load("command/limit_group"), parameters)


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
