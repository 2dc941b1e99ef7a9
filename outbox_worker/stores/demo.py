"""Statements of the demonstration: what a service asks for, and what came of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID, uuid4

from outbox_worker.stores.loader import sql

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from outbox_worker.stores import Connection


@dataclass(frozen=True, slots=True)
class Request:
    """A command that a service asks for; `command_id` makes a repetition harmless."""

    type: str
    key: str
    payload: Mapping[str, Any]
    actor: str
    command_id: UUID = field(default_factory=uuid4)


class Outcome(NamedTuple):
    """What came of a command: `result` where it succeeded, `error` where it was rejected."""

    command_id: UUID
    status: str
    result: Mapping[str, Any] | None
    error: Mapping[str, Any] | None
    finished_at: datetime


def submit(connection: Connection, request: Request) -> UUID:
    """Ask for it in the caller's transaction; the command's id."""
    parameters = {
        "type": request.type,
        "key": request.key,
        "payload": json.dumps(request.payload),
        "actor": request.actor,
        "command_id": request.command_id,
    }
    row = connection.execute(sql.load("demo/submit"), parameters).fetchone()
    return request.command_id if row is None else UUID(str(row[0]))


def list_outcomes(connection: Connection, command_ids: Collection[UUID]) -> list[Outcome]:
    """Of these commands those that are finished, in no order."""
    parameters = {"command_ids": list(command_ids)}
    rows = connection.execute(sql.load("demo/list_outcomes"), parameters).fetchall()
    return [Outcome(*row) for row in rows]


def count_commands(connection: Connection) -> dict[str, int]:
    """How many commands there are, by status."""
    return dict(connection.execute(sql.load("demo/count_commands")).fetchall())
