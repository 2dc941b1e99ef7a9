"""Commands of several keys in one transaction (decision 0026).

What one command did is undone alone, by its savepoint. Commands of a type of which none was undone
lately have none: a savepoint costs as much as a statement. If one is undone then, the caller rolls
back, and executes the same commands again, this time with savepoints.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

import psycopg

from outbox_worker.application import Envelope, Refused
from outbox_worker.application.event import drafts_of, write
from outbox_worker.commands.attempt import UndoingError, attempt
from outbox_worker.commands.faults import is_contention
from outbox_worker.commands.outcome import Rejected, Succeeded
from outbox_worker.commands.rejection import rejection
from outbox_worker.stores import command as inbox
from outbox_worker.stores.command import Finished

if TYPE_CHECKING:
    from collections.abc import Sequence

    from outbox_worker.application import Application, Command
    from outbox_worker.commands.pace import Pace
    from outbox_worker.stores import Connection
    from outbox_worker.stores.command import Claimed
    from outbox_worker.stores.event import Draft
    from outbox_worker.tracing.spans import Spans

BEGIN_S: Final = 0.025
"""No further command of a group is begun after so long."""

STATEMENT_MS: Final = 20
"""How long a statement may take that was begun by then: some is left for the end of the group."""

LOCK_MS: Final = 10
"""How long a group waits for a lock: its other commands wait, too, and hold what others want."""

TRANSACTION_MS: Final = 50
"""How long the commands of a group may hold up each other, and who wants what they hold."""


class UnguardedError(UndoingError):
    """Raised where a command has to be undone and has no savepoint: it has one the next time."""


class _Member(NamedTuple):
    outcome: Succeeded | Rejected
    finished: Finished
    drafts: Sequence[Draft]


@dataclass(slots=True)
class GroupRun:
    """What one transaction did of the commands that it claimed."""

    outcomes: list[Succeeded | Rejected] = field(default_factory=list)
    alone: list[str] = field(default_factory=list)
    """Keys whose command needs a transaction of its own."""
    left: list[str] = field(default_factory=list)
    """Keys whose command was not begun, for lack of time."""


class Group:
    """Executes groups of an application's commands."""

    def __init__(
        self, application: Application, topic_prefix: str, pace: Pace, spans: Spans
    ) -> None:
        """Learn from `pace` which types are slow, and tell it."""
        self._application = application
        self._topic_prefix = topic_prefix
        self._pace = pace
        self._spans = spans

    def execute(self, connection: Connection, claimed: Sequence[Claimed], began: float) -> GroupRun:
        """Execute in the caller's transaction, which began then, what these commands let be.

        Whatever it raises, the caller rolls back, and none is executed: `UnguardedError` where
        they can be executed as a group again, anything else where each has to say for itself what
        is wrong with it.
        """
        inbox.limit_group(connection, LOCK_MS, STATEMENT_MS, TRANSACTION_MS)
        run, members = GroupRun(), list[_Member]()
        for each in claimed:
            if members and time.monotonic() - began >= BEGIN_S:
                run.left.append(each.key)
                continue
            with attempt(self._spans, self._application, each) as span:
                member = self._try(connection, each)
                span.end_as("left" if member is None else member.finished.status)
            if member is None:
                run.alone.append(each.key)
            else:
                members.append(member)
        if members:
            self._write(connection, members)
        run.outcomes += [each.outcome for each in members]
        return run

    def _try(self, connection: Connection, claimed: Claimed) -> _Member | None:
        """Execute one, or nothing where it has to be alone."""
        envelope = Envelope(claimed.command_id, claimed.actor, claimed.correlation_id)
        command = self._application.parse(claimed.type, claimed.payload, envelope)
        if isinstance(command, Refused):
            return self._rejected(claimed, command)
        shares = self._application.types[claimed.type].shares_transaction
        if not (shares and self._pace.is_quick(claimed.type)):
            return None
        guarded = self._pace.needs_savepoint(claimed.type)
        began = time.monotonic()
        try:
            return self._collect(connection, claimed, command, guarded=guarded)
        except psycopg.Error as error:
            # Others are in the way of this one, or it takes long.
            if not (is_contention(error) or isinstance(error, psycopg.errors.QueryCanceled)):
                raise
            self._pace.undone(claimed.type)
            if not guarded:
                raise UnguardedError from error
            return None
        finally:
            self._pace.took(claimed.type, time.monotonic() - began)

    def _collect(
        self, connection: Connection, claimed: Claimed, command: Command, *, guarded: bool
    ) -> _Member:
        result, events = self._application.collect(connection, command, savepoint=guarded)
        if isinstance(result, Refused):
            self._pace.undone(claimed.type)
            if not guarded:
                raise UnguardedError
            return self._rejected(claimed, result)
        told = result.model_dump_json(exclude_none=True)
        finished = Finished(claimed.command_id, "succeeded", told)
        return _Member(Succeeded(claimed, result), finished, drafts_of(events, self._topic_prefix))

    def _write(self, connection: Connection, members: Sequence[_Member]) -> None:
        """All events in the order of the commands, then all results."""
        write(connection, [draft for each in members for draft in each.drafts])
        finished = [each.finished for each in members]
        if inbox.finish_commands(connection, finished) != len(finished):
            raise RuntimeError("a command that was locked is finished")

    def _rejected(self, claimed: Claimed, error: Refused) -> _Member:
        finished = Finished(claimed.command_id, "rejected", error.model_dump_json())
        drafts = drafts_of([rejection(claimed, error)], self._topic_prefix)
        return _Member(Rejected(claimed, error), finished, drafts)
