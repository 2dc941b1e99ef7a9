"""Rows of the table of rules: what was there, what is asked, what comes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import outbox_school
from outbox_worker.application import Refused
from tests.domain.school_rows import WrittenEvent, events, number, school_rows, succeeds

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from pydantic import JsonValue

    from outbox_school.commands import AnyCommand
    from outbox_school.results import Result
    from tests.domain.school_rows import Connection

NOON: Final = datetime(2030, 5, 17, 12, tzinfo=UTC)
COMMAND: Final = number(900)
"""The id of the command in question."""

CORRELATION: Final = number(901)


@dataclass(frozen=True)
class Case:
    """One row: after the commands of `before`, `command` has this result and tells this."""

    command: AnyCommand
    result: Result
    events: Sequence[WrittenEvent] = ()
    before: Sequence[AnyCommand] = field(default=())


def expected_event(kind: str, key: UUID, /, **payload: JsonValue) -> WrittenEvent:
    """The event as it must stand in the outbox, every field of it."""
    return WrittenEvent(
        f"huleedu.{kind}",
        str(key),
        kind,
        {
            "correlation_id": str(CORRELATION),
            "occurred_at": "2030-05-17T12:00:00Z",
            **payload,
        },
        {"correlation-id": str(CORRELATION)},
    )


def check(connection: Connection, case: Case) -> None:
    """Play the row: exact result, exact events, and nothing written where it was refused."""
    for each in case.before:
        succeeds(outbox_school.handle(connection, each))
    known, rows = len(events(connection)), school_rows(connection)
    assert outbox_school.handle(connection, case.command, now=NOON) == case.result
    assert events(connection)[known:] == list(case.events)
    if isinstance(case.result, Refused) or not case.events:
        assert school_rows(connection) == rows
