"""What an application gives so that `outbox-worker demo` shows it, and what its story is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from outbox_worker.stores.demo import Outcome, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from uuid import UUID

    from outbox_worker.application.context import Connection

__all__ = ["Demo", "EventTable", "Outcome", "Pick", "Request", "Stage", "Story"]


class Stage(Protocol):
    """Servers with the application's tables, a worker, and a screen to tell on."""

    @property
    def link(self) -> Connection:
        """A service's session, in autocommit, with the rights of a writer."""

    @property
    def can_kill(self) -> bool:
        """Whether the broker is a real one, which keeps what a dead worker left from readers."""

    def topic(self, kind: str) -> str:
        """Where events of this type go."""

    def connect(self) -> AbstractContextManager[Connection]:
        """Another session as `link`, for a thread."""

    def connect_reader(self) -> AbstractContextManager[Connection]:
        """A session with the rights of a reader."""

    def chapter(self, text: str) -> None:
        """Begin a new part."""

    def say(self, text: str) -> None:
        """Tell what happens next."""

    def show(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Show a table."""

    def show_outcomes(self, asked: Sequence[tuple[str, Outcome]]) -> None:
        """Show what came of commands, each with the words for what was asked."""

    def start_worker(self) -> int:
        """Start a worker that executes and publishes; its process id."""

    def kill_worker(self) -> None:
        """SIGKILL to the worker that was started last."""

    def submit(self, connection: Connection, request: Request) -> UUID:
        """Ask for a command in the caller's transaction; its id."""

    def ask(self, requests: Sequence[Request]) -> list[Outcome]:
        """Submit in one transaction, and wait for the outcomes, which come in the same order."""

    def await_outcomes(self, command_ids: Sequence[UUID]) -> list[Outcome]:
        """Wait until each of these commands has its outcome; they come in the same order."""

    def await_success(self, command_ids: Sequence[UUID]) -> None:
        """Wait until all of these succeeded; one that was rejected ends the demonstration."""

    def await_succeeded(self, least: int) -> None:
        """Wait until at least so many commands succeeded."""

    def count_commands(self) -> dict[str, int]:
        """How many commands there are, by status."""


@dataclass(frozen=True, slots=True)
class Pick:
    """Events of these types, at most the first `most`."""

    types: Sequence[str]
    most: int | None = None


@dataclass(frozen=True, slots=True)
class EventTable:
    """A table of events that a subscriber got."""

    title: str
    picks: Sequence[Pick]


@dataclass(frozen=True, slots=True)
class Story:
    """What was done, for the verdict.

    `commands` is how many there must be by status, `events` how many subscribers must have got;
    of `rolled_back` commands nothing must be there.
    """

    commands: Mapping[str, int]
    events: int
    rolled_back: Sequence[UUID] = ()
    tables: Sequence[EventTable] = ()


@dataclass(frozen=True, slots=True)
class Demo:
    """A story of an application: what it asks for, and what is shown of it.

    `fields` are those of a payload that are shown, by the type of an event; its keys are all
    types that the story leads to. Each has a topic of its own.
    """

    fields: Mapping[str, Sequence[str]]
    play: Callable[[Stage], Story]
