"""A teacher's service: it has plain SQL and the role of a writer, and nothing else of ours."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from outbox_worker.errors import WorkFailedError
from outbox_worker.local.ports import wait_until_ready
from outbox_worker.postgres import database
from outbox_worker.stores import demo

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from uuid import UUID

    from outbox_worker.stores import Connection
    from outbox_worker.stores.demo import Outcome, Request

TEACHER: Final = "teacher-karin"

WRITER: Final[Mapping[str, str]] = {"role": "outbox_writer"}
READER: Final[Mapping[str, str]] = {"role": "outbox_reader"}
"""The roles that the schema brings for those who ask and for those who read."""

RESULT_S: Final = 60.0
"""A result takes milliseconds, also beside a death; this is for a machine that is busy."""


@contextmanager
def connect(url: str, options: Mapping[str, str] = WRITER) -> Iterator[Connection]:
    """A session of the service's own, in autocommit."""
    with database.connect(url, application="demo service", options=options) as connection:
        yield connection


def ask(connection: Connection, requests: Sequence[Request]) -> list[Outcome]:
    """Submit in one transaction, and wait for the results, which come in the same order."""
    with connection.transaction():
        ids = [demo.submit(connection, request) for request in requests]
    return await_outcomes(connection, ids)


def await_outcomes(connection: Connection, command_ids: Sequence[UUID]) -> list[Outcome]:
    """Wait until each of these commands has its result on its row; `WorkFailedError` if not."""
    found: dict[UUID, Outcome] = {}

    def are_there() -> bool:
        missing = [each for each in command_ids if each not in found]
        found.update((each.command_id, each) for each in demo.list_outcomes(connection, missing))
        return all(each in found for each in command_ids)

    if not wait_until_ready(are_there, RESULT_S):
        missing = len(set(command_ids) - found.keys())
        raise WorkFailedError(
            f"After {RESULT_S:.0f} s there are {missing} commands without a result",
            "Run it again; if it happens again, look at what the machine is busy with",
        )
    return [found[each] for each in command_ids]


def expect_success(outcomes: Iterable[Outcome]) -> None:
    """`WorkFailedError` where a command was rejected that could be executed."""
    for outcome in outcomes:
        if outcome.error is not None:
            raise WorkFailedError(f"Command {outcome.command_id} was rejected: {outcome.error}")
