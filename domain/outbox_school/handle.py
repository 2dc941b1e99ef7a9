"""One command of the school, carried out in the caller's transaction: all of it, or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from outbox_school.school import school

if TYPE_CHECKING:
    from datetime import datetime

    from outbox_school.commands import AnyCommand
    from outbox_school.results import Result
    from outbox_worker.application import Connection, Envelope, Refused


def handle(
    connection: Connection,
    command: AnyCommand,
    *,
    topic_prefix: str | None = None,
    now: datetime | None = None,
    savepoint: bool = True,
) -> Result:
    """As `Application.handle` of the school, with its results.

    `IsolationLevelError` for a command about a batch in a transaction that is not READ COMMITTED.
    """
    return cast(
        "Result",
        school.handle(connection, command, topic_prefix=topic_prefix, now=now, savepoint=savepoint),
    )


def parse(kind: str, payload: str | bytes, envelope: Envelope) -> AnyCommand | Refused:
    """As `Application.parse` of the school, with its commands."""
    return cast("AnyCommand | Refused", school.parse(kind, payload, envelope))
