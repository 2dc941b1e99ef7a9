"""One application: what the engine asks of it, and how a command of it is carried out."""

from __future__ import annotations

import re
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import psycopg
from psycopg.pq import TransactionStatus

from outbox_worker.application import command as commands
from outbox_worker.application.context import Context
from outbox_worker.application.event import CommandRejected, append
from outbox_worker.application.refusal import Refused, RefusedError, unknown_type
from outbox_worker.postgres.migrations import ENGINE, Tables

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from prometheus_client import CollectorRegistry
    from pydantic import BaseModel
    from pydantic_settings import BaseSettings

    from outbox_worker.application.command import Command, Envelope
    from outbox_worker.application.context import Connection, Tombstone
    from outbox_worker.application.demo import Demo
    from outbox_worker.application.event import Event
    from outbox_worker.application.job import Job, Numbers
    from outbox_worker.application.retention import Retention
    from outbox_worker.stores.loader import Statements


Handler: TypeAlias = "Callable[[Context, Any], BaseModel]"
"""Carries out one command; see `CommandType`."""

NAME: Final = re.compile(r"[a-z][a-z0-9_]*")

RefusalOf: TypeAlias = "Callable[[psycopg.errors.IntegrityError, Command], Refused | None]"


def _never(_error: psycopg.errors.IntegrityError, _command: Command) -> None:
    return None


def _counting_nothing(_registry: CollectorRegistry) -> Callable[[BaseModel], None]:
    return lambda _result: None


@dataclass(frozen=True, slots=True)
class CommandType:
    """A type of commands, named as its model, and what carries one out.

    The handler writes in the transaction of its context, emits events, and returns the result:
    a model whose JSON a caller finds in `outbox.command.result`. It returns or raises a refusal
    (`Refused`, `RefusedError`), and all that it wrote is undone. Any other exception is a fault
    of the program or of what is around it: the command is tried again.

    With `shares_transaction` a worker with much to do may execute commands of several keys in one
    transaction, each under a savepoint: several times as many a second. The handler must then
    leave nothing in the transaction or session that the next command would notice (`SET LOCAL`,
    a temporary table), and must write its events with `Context.emit` alone: those of a group are
    appended together after the last handler. What it locks stays locked until the
    transaction ends, for 50 ms at most. One that does not end in time is executed alone.
    """

    model: type[Command]
    handler: Handler
    shares_transaction: bool = False

    @property
    def name(self) -> str:
        """As `outbox.submit` is given it."""
        return self.model.__name__


@dataclass(frozen=True)
class Application:
    """What the engine executes and publishes for; what is not given is empty.

    `refusal_of` says what a broken constraint of the application's tables means for a command,
    None where it must not happen.
    """

    name: str
    """Of small letters, digits and `_`: its migrations are noted under it, so that it stays."""
    title: str = ""
    """What its events are about, for the head of their contracts."""
    sql: Statements | None = None
    """Its SQL files; `outbox-worker migrate` applies their migrations after the engine's."""
    topic_prefix: str = ""
    """Before the type of an event: its topic, where the setting says nothing else."""
    commands: tuple[CommandType, ...] = ()
    events: tuple[type[Event], ...] = ()
    refusal_of: RefusalOf = _never
    jobs: tuple[Job, ...] = ()
    numbers: Numbers | None = None
    retention: Retention | None = None
    demo: Demo | None = None
    """What `outbox-worker demo` plays."""
    settings: type[BaseSettings] | None = None
    """Read from the environment when a worker starts; a fault in them ends it with exit code 2."""
    count_results: Callable[[CollectorRegistry], Callable[[BaseModel], None]] = _counting_nothing
    """Registers metrics of results; what comes back is called with each that is committed."""

    def __post_init__(self) -> None:
        """`ValueError` for a name that cannot be told from the engine's, or from another's."""
        if not NAME.fullmatch(self.name):
            raise ValueError(
                f"An application's name has small letters, digits and _ only, and {self.name!r} "
                "is another: change it"
            )

    @property
    def tables(self) -> tuple[Tables, ...]:
        """What its database must have: the engine's tables, then its own."""
        own = () if self.sql is None else self.sql.migrations
        return (ENGINE, Tables(self.name, own)) if own else (ENGINE,)

    @cached_property
    def types(self) -> Mapping[str, CommandType]:
        """The types of commands by name."""
        return {each.name: each for each in self.commands}

    @property
    def all_events(self) -> tuple[type[Event], ...]:
        """Every event that is written for the application, with the engine's own."""
        return (*self.events, CommandRejected)

    def prefix(self, given: str | None) -> str:
        """What stands before the type of an event: as given, else the application's own."""
        return self.topic_prefix if given is None else given

    def parse(self, kind: str, payload: str | bytes, envelope: Envelope) -> Command | Refused:
        """The command, or why there is none: an unknown type, or each field that is wrong.

        `payload` is JSON, read strictly: a number in quotes is no number. Never raises.
        """
        known = self.types.get(kind)
        if known is None:
            return unknown_type(kind, self.types)
        return commands.parse(known.model, payload, envelope)

    def handle(
        self,
        connection: Connection,
        command: Command,
        *,
        topic_prefix: str | None = None,
        now: datetime | None = None,
        savepoint: bool = True,
    ) -> BaseModel:
        """Carry out `command` and append its events, all in the caller's transaction.

        The result, or a `Refused`, which has written nothing; the transaction continues. Without an
        open transaction this is one of its own. Without `savepoint` it costs the server less, and
        after a refusal the caller must roll back. Expects READ COMMITTED, Postgres' default:
        rules that wait for other transactions look again at what those wrote.

        Raises psycopg's errors of an infrastructure fault (deadlock, lost connection, time-out):
        roll back and try again; nothing is lost or done twice. `ValueError` without `savepoint`
        where nobody has begun a transaction: each statement would commit by itself.
        """
        if not (savepoint or _in_transaction(connection)):
            raise ValueError(
                "Without a savepoint a command needs a transaction of its caller's: begin one "
                "(connection.transaction()), or leave savepoint as it is"
            )
        context = _context(connection, command, now)

        def write() -> None:
            append(connection, context.events, self.prefix(topic_prefix))

        return self._run(context, command, write, savepoint=savepoint)

    def collect(
        self, connection: Connection, command: Command, *, savepoint: bool
    ) -> tuple[BaseModel, Sequence[Event | Tombstone]]:
        """As `handle`, but the caller appends the events: in this transaction, in this order.

        There are none with a `Refused`.
        """
        context = _context(connection, command)
        result = self._run(context, command, _write_nothing, savepoint=savepoint)
        return result, () if isinstance(result, Refused) else context.events

    def _run(
        self, context: Context, command: Command, write: Callable[[], None], *, savepoint: bool
    ) -> BaseModel:
        handler = self.types[type(command).__name__].handler
        try:
            with context.connection.transaction() if savepoint else nullcontext():
                result = handler(context, command)
                _undo(result)
                write()
        except RefusedError as refusal:
            return refusal.refused
        except psycopg.errors.IntegrityError as error:
            refused = self.refusal_of(error, command)
            if refused is None:
                raise
            return refused
        return result


def _context(connection: Connection, command: Command, now: datetime | None = None) -> Context:
    correlation_id = command.correlation_id or command.command_id
    return Context(connection, command.actor, correlation_id, now or datetime.now(UTC))


def _write_nothing() -> None:
    """The events are somebody else's to write."""


def _undo(result: BaseModel) -> None:
    """Where a handler returned a refusal: what it wrote goes with the transaction."""
    if isinstance(result, Refused):
        raise RefusedError(result.code, result.message, **result.details)


def _in_transaction(connection: Connection) -> bool:
    """Whether the next statement is part of a transaction that the caller ends."""
    begins_one = not connection.autocommit
    return begins_one or connection.info.transaction_status != TransactionStatus.IDLE
