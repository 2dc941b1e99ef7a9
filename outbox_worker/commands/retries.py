"""Commands that an operator has tried again: which, what happened meanwhile, and the doing.

Docs: docs/operations.md, Commands that fail.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg

from outbox_worker.errors import ServerError, WorkFailedError
from outbox_worker.stores import retry

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from outbox_worker.stores import Connection
    from outbox_worker.stores.retry import FailedCommand, HistoryEntry, Later, StoredCommand


@dataclass(frozen=True, slots=True)
class Selection:
    """Which commands: those that meet all conditions; None is no condition."""

    ids: tuple[UUID, ...] | None = None
    state: str | None = None
    type: str | None = None
    key: str | None = None
    since: datetime | None = None
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Planned:
    """Commands that would be tried again; `later` is None where it was not counted in time."""

    commands: list[FailedCommand]
    later: dict[UUID, Later] | None


@dataclass(frozen=True, slots=True)
class Shown:
    """A command, whether it is set aside, and what happened to it."""

    command: StoredCommand
    history: list[HistoryEntry]

    @property
    def is_set_aside(self) -> bool:
        """Whether it was set aside, and not retried since."""
        last = self.history[-1].what if self.history else ""
        return self.command.status == "rejected" and last == "set_aside"


def select(connection: Connection, selection: Selection) -> list[FailedCommand]:
    """Those that were set aside or wait for their next attempt, in the order of submission."""
    ids = None if selection.ids is None else list(selection.ids)
    return retry.list_commands(
        connection,
        {
            "ids": ids,
            "state": selection.state,
            "type": selection.type,
            "key": selection.key,
            "since": selection.since,
            "most": selection.most,
        },
    )


def show(connection: Connection, command_id: UUID) -> Shown:
    """All that is known of a command; `WorkFailedError` where there is none of this id."""
    found = retry.find_command(connection, command_id)
    if found is None:
        raise _absent(command_id)
    return Shown(found, retry.list_history(connection, command_id))


def plan(connection: Connection, selection: Selection) -> Planned:
    """What `execute` would do, and what ran meanwhile; changes nothing.

    `WorkFailedError` where one of the ids of `selection` cannot be tried again, with why.
    """
    found = select(connection, selection)
    known = {each.command_id for each in found}
    for command_id in selection.ids or ():
        if command_id not in known:
            raise _not_failed(connection, command_id)
    aside = [each.command_id for each in found if each.state == "set_aside"]
    return Planned(found, _later(connection, aside))


def execute(connection: Connection, commands: Sequence[FailedCommand]) -> list[FailedCommand]:
    """Have these tried again, in one transaction; those that were, in their order.

    What a worker has in hand, or somebody else has retried, is left out. `ServerError` where this
    login may not.
    """
    try:
        with connection.transaction():
            return [each for each in commands if retry.retry_command(connection, each.command_id)]
    except psycopg.errors.InsufficientPrivilege as error:
        raise ServerError(
            f"The database refuses us: {error.diag.message_primary}",
            "Only members of outbox_operator and the owner of the schema have commands tried "
            "again: let OUTBOX_DATABASE_URL name such a login",
        ) from error


def _later(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, Later] | None:
    """None where it takes too long: it reads the whole table."""
    if not ids:
        return {}
    try:
        with connection.transaction():
            return retry.count_later(connection, ids)
    except psycopg.errors.QueryCanceled:
        return None


def _absent(command_id: UUID) -> WorkFailedError:
    return WorkFailedError(
        f"There is no command {command_id}",
        "Was it purged? `outbox-worker commands list` shows those that failed",
    )


def _not_failed(connection: Connection, command_id: UUID) -> WorkFailedError:
    found = retry.find_command(connection, command_id)
    if found is None:
        return _absent(command_id)
    return WorkFailedError(
        f"The command {command_id} is {found.status}, and nothing waits to be tried again; "
        "nothing was changed",
        "Only a command that was set aside, or waits for its next attempt, is tried again: see "
        f"`outbox-worker commands show {command_id}`",
    )
