"""One command in one transaction: claim, rows, events, result. All of it, or nothing.

With much to do a transaction carries a group of commands; what a group cannot execute, this
executes alone.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, assert_never

import psycopg
import structlog

from outbox_worker.application import Envelope, Refused, append
from outbox_worker.application.refusal import INTERNAL_ERROR
from outbox_worker.commands.attempt import UndoingError, attempt, label_of_type
from outbox_worker.commands.faults import (
    RetryCounter,
    is_contention,
    is_infrastructure,
    pause_after_failures,
)
from outbox_worker.commands.floors import Floors
from outbox_worker.commands.group import Group, GroupRun, UnguardedError
from outbox_worker.commands.history import entry_of
from outbox_worker.commands.missing_rights import MissingRights
from outbox_worker.commands.outcome import (
    Failed,
    GroupDone,
    GroupUndone,
    Idle,
    Outcome,
    Overtaken,
    Postponed,
    Rejected,
    SetAside,
    Succeeded,
    Tried,
    Unreached,
)
from outbox_worker.commands.pace import GroupSize, Pace
from outbox_worker.commands.rejection import rejection
from outbox_worker.commands.rounds import Rounds
from outbox_worker.logs.safe_text import describe
from outbox_worker.stores import command as inbox
from outbox_worker.timing.backoff import pause_after
from outbox_worker.tracing.spans import NoSpans

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pydantic import BaseModel

    from outbox_worker.application import Application
    from outbox_worker.observe.commands import CommandMetrics
    from outbox_worker.stores import Connection
    from outbox_worker.stores.command import Claimed, Entry, What
    from outbox_worker.tracing.spans import Span, Spans

REJECTION: Final = Refused(
    code=INTERNAL_ERROR,
    message="The command failed unexpectedly, again and again; it was not carried out",
    details={},
)

LONG_BLOCKED: Final = 5
"""Tries that came to nothing because others were in the way until it is worth a line: 2 s or so."""

log = structlog.get_logger("commands")


@dataclass(frozen=True, slots=True)
class ExecutorParts:
    """What the executors of a process share."""

    application: Application
    topic_prefix: str
    attempts: int
    metrics: CommandMetrics
    count_result: Callable[[BaseModel], None]
    worker: str = ""
    """Its name, as the history of a command has it."""
    spans: Spans = field(default_factory=NoSpans)
    patience: RetryCounter = field(default_factory=RetryCounter)
    rights: MissingRights = field(default_factory=MissingRights)
    rounds: Rounds = field(default_factory=Rounds)
    pace: Pace = field(default_factory=Pace)


class Executor:
    """Executes commands, going around their keys with the other threads."""

    def __init__(self, parts: ExecutorParts) -> None:
        """Begin where the others are."""
        self._parts = parts
        self._idle = False
        self._session: Connection | None = None
        self._floors = Floors()
        self._size = GroupSize()
        self._asked = 0
        """How many commands the last claim asked for, if it was for the next keys."""
        self._group = Group(parts.application, parts.topic_prefix, parts.pace, parts.spans)
        self._alone: deque[str] = deque()
        """Keys whose turn it was, whose command has a transaction of its own."""
        self._left: list[str] = []
        """Keys whose turn it was when the time of a group was over."""

    def run_once(self, connection: Connection) -> Outcome:
        """Execute one command or one group. Raises nothing: what went wrong is an outcome.

        `connection` is in autocommit mode, without a transaction, and is left so
        unless it is lost.
        """
        began = time.monotonic()
        claimed: Sequence[Claimed] = ()
        done: Tried | GroupRun | None = None
        try:
            floors = self._floors_of(connection)
            # A look without a transaction costs a third; what it locks it lets go at once.
            if self._idle and not self._claim_next(connection, floors, 1):
                return Idle()
            with connection.transaction():
                claimed = self._claim(connection, floors)
                if len(claimed) == 1:
                    done = self._execute(connection, claimed[0])
                elif claimed:
                    done = self._group.execute(connection, claimed, began)
        except Exception as error:  # noqa: BLE001  whatever it is, the next command continues
            if len(claimed) > 1:
                return self._group_undone(claimed, error)
            done = self._undone(connection, claimed[0] if claimed else None, error)
        self._idle = done is None
        if done is None:
            self._size.rested()
            return Idle()
        seconds = time.monotonic() - began
        if isinstance(done, GroupRun):
            return self._group_done(done, len(claimed), seconds)
        if claimed:
            self._done(claimed[0], done, seconds)
        return done

    def _claim(self, connection: Connection, floors: Floors) -> Sequence[Claimed]:
        """Of keys whose turn it was already, then of those whose turn it is."""
        claimed: Sequence[Claimed] = ()
        self._asked = 0
        if self._alone:
            way = floors.way_to([self._alone.popleft()])
            claimed = inbox.claim_commands(connection, way, 1, floors.server)
        if self._left and not claimed:
            way, self._left = floors.way_to(self._left), []
            claimed = inbox.claim_commands(connection, way, len(way), floors.server)
        if not claimed:
            self._asked = self._size.most
            claimed = self._claim_next(connection, floors, self._asked)
            if claimed:
                self._parts.rounds.claimed(claimed[-1].key)
        for each in claimed:
            floors.claimed(each)
        return claimed

    def _claim_next(self, connection: Connection, floors: Floors, most: int) -> Sequence[Claimed]:
        way = floors.way(self._parts.rounds.after())
        return inbox.claim_commands(connection, way, most, floors.server)

    def _floors_of(self, connection: Connection) -> Floors:
        """What is known of the keys: nothing in another session, and from time to time more."""
        if connection is not self._session:
            self._session, self._floors = connection, Floors()
        floors = self._floors
        if floors.is_look_due():
            floors.looked(inbox.find_writers(connection))
            for key in floors.stale():
                floors.read(key, inbox.find_head(connection, key))
        return floors

    def _execute(self, connection: Connection, claimed: Claimed) -> Tried:
        parts = self._parts
        with attempt(parts.spans, parts.application, claimed) as span:
            outcome = self._carry_out(connection, claimed, span)
            span.end_as(label_of(outcome))
            return outcome

    def _carry_out(self, connection: Connection, claimed: Claimed, span: Span) -> Tried:
        envelope = Envelope(claimed.command_id, claimed.actor, claimed.correlation_id)
        application = self._parts.application
        parsed = application.parse(claimed.type, claimed.payload, envelope)
        if isinstance(parsed, Refused):
            return self._reject(connection, claimed, parsed)
        began = time.monotonic()
        result = application.handle(
            connection, parsed, topic_prefix=self._parts.topic_prefix, savepoint=False
        )
        self._parts.pace.took(claimed.type, time.monotonic() - began)
        if isinstance(result, Refused):
            span.end_as("rejected")
            raise UndoneError(result)
        told = result.model_dump_json(exclude_none=True)
        if not inbox.finish_command(connection, claimed.command_id, "succeeded", told):
            raise RuntimeError("a command that was locked is finished")
        return Succeeded(claimed, result)

    def _reject(self, connection: Connection, claimed: Claimed, error: Refused) -> Tried:
        """The error on the row and as an event; nothing where another finished it meanwhile."""
        told = error.model_dump_json()
        if not inbox.finish_command(connection, claimed.command_id, "rejected", told):
            return Overtaken(claimed)
        append(connection, [rejection(claimed, error)], self._parts.topic_prefix)
        return Rejected(claimed, error)

    def _undone(self, connection: Connection, claimed: Claimed | None, error: Exception) -> Tried:
        """The transaction is rolled back: write down why, or when to try again and its price."""
        if claimed is None:
            return Unreached(error)
        try:
            return self._settle(connection, claimed, error)
        except Exception as further:
            if not is_infrastructure(further):
                log.exception("command_not_settled", **_named(claimed))
            return self._postpone(connection, claimed, further)

    def _settle(self, connection: Connection, claimed: Claimed, error: Exception) -> Tried:
        if isinstance(error, UndoneError):
            with connection.transaction():
                return self._reject(connection, claimed, error.refused)
        if is_infrastructure(error):
            return self._postpone(connection, claimed, error)
        return self._fail(connection, claimed, error)

    def _postpone(self, connection: Connection, claimed: Claimed, error: Exception) -> Postponed:
        """Have it wait, which costs it nothing; without a session others may try at once."""
        times = self._parts.patience.count(claimed.command_id)
        is_denied = isinstance(error, psycopg.errors.InsufficientPrivilege)
        if is_denied:
            self._parts.rights.missed(connection, claimed, error)
        is_aloud = times == (LONG_BLOCKED if is_contention(error) else 1) and not is_denied
        say = log.info if is_aloud else log.debug
        say("command_postponed", **_named(claimed), error=describe(error))
        try:
            with connection.transaction():
                if is_denied and times == 1:
                    inbox.insert_history(connection, claimed, self._entry("refused", 0, error))
                inbox.postpone_command(connection, claimed.command_id, pause_after(times), 0)
        except psycopg.Error as further:
            log.debug("command_not_postponed", **_named(claimed), error=describe(further))
        return Postponed(claimed, error)

    def _fail(self, connection: Connection, claimed: Claimed, error: Exception) -> Tried:
        failures = claimed.failures + 1
        log.error("command_failed", **_named(claimed), failures=failures, exc_info=error)
        if failures >= self._parts.attempts:
            return self._set_aside(connection, claimed, error)
        with connection.transaction():
            if inbox.insert_history(connection, claimed, self._entry("failed", 1, error)):
                pause = pause_after_failures(failures)
                inbox.postpone_command(connection, claimed.command_id, pause, 1)
        return Failed(claimed, error)

    def _set_aside(self, connection: Connection, claimed: Claimed, error: Exception) -> Tried:
        """Reject it and say why; nothing where another worker has it or has finished it."""
        with connection.transaction():
            if not inbox.insert_history(connection, claimed, self._entry("set_aside", 1, error)):
                return Overtaken(claimed)
            self._reject(connection, claimed, REJECTION)
        log.error("command_set_aside", **_named(claimed), failures=claimed.failures + 1)
        return SetAside(claimed, error)

    def _entry(self, what: What, counted: int, error: Exception) -> Entry:
        return entry_of(what, counted, self._parts.worker, error)

    def _done(self, claimed: Claimed, outcome: Tried, seconds: float) -> None:
        """What came of one command is committed, or it was undone."""
        if isinstance(outcome, Succeeded | Rejected | SetAside | Overtaken):
            self._floors.finished(claimed)
            self._size.executed(self._asked, 1, 1, seconds)
        self._count(claimed, outcome, seconds)

    def _group_done(self, run: GroupRun, found: int, seconds: float) -> GroupDone:
        """The transaction is committed."""
        self._size.executed(self._asked, found, len(run.outcomes), seconds)
        self._alone.extend(run.alone)
        self._left = run.left
        for each in run.outcomes:
            self._floors.finished(each.command)
            self._count(each.command, each, seconds)
        return GroupDone(tuple(run.outcomes))

    def _group_undone(self, claimed: Sequence[Claimed], error: Exception) -> GroupUndone:
        """The transaction is rolled back: its commands are next, with savepoints or alone."""
        keys = [each.key for each in claimed]
        if isinstance(error, UnguardedError):
            self._left = keys
        else:
            log.debug("group_undone", commands=len(claimed), error=describe(error))
            self._size.undone()
            self._alone.extend(keys)
        return GroupUndone(error)

    def _count(self, claimed: Claimed, outcome: Tried, seconds: float) -> None:
        kind = label_of_type(self._parts.application, claimed.type)
        if isinstance(outcome, Succeeded | Rejected | SetAside):
            self._parts.patience.forget(claimed.command_id)
            self._parts.rights.finished(claimed)
            waited = (datetime.now(UTC) - claimed.submitted_at).total_seconds() - seconds
            self._parts.metrics.finished(kind, label_of(outcome), seconds, max(0.0, waited))
        else:
            self._parts.metrics.commands.labels(kind, label_of(outcome)).inc()
        if isinstance(outcome, Succeeded):
            self._parts.count_result(outcome.result)


class UndoneError(UndoingError):
    """Raised inside a transaction to undo what a refused command wrote."""

    def __init__(self, refused: Refused) -> None:
        """Carry the error of the command."""
        super().__init__(refused.message)
        self.refused = refused


def label_of(outcome: Tried) -> str:
    """The outcome as a label of a metric."""
    match outcome:
        case Succeeded():
            return "succeeded"
        case Rejected():
            return "rejected"
        case SetAside():
            return "set_aside"
        case Postponed() | Unreached():
            return "postponed"
        case Failed():
            return "failed"
        case Overtaken():
            return "overtaken"
        case _:
            assert_never(outcome)


def _named(claimed: Claimed) -> dict[str, str]:
    return {"command_id": str(claimed.command_id), "type": claimed.type}
