"""The executor as a loop of the daemon: a session, one command, and how long to wait."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, assert_never

import psycopg
from psycopg.pq import TransactionStatus

from outbox_worker.commands.faults import is_contention, is_infrastructure
from outbox_worker.commands.group import UnguardedError
from outbox_worker.commands.outcome import (
    Failed,
    GroupDone,
    GroupUndone,
    Idle,
    Overtaken,
    Postponed,
    Rejected,
    SetAside,
    Succeeded,
    Unreached,
)
from outbox_worker.settings import COMMAND_IDLE_MAX_S, IDLE_POLL_GROWTH, IDLE_POLL_MIN_S
from outbox_worker.timing.backoff import Backoff

if TYPE_CHECKING:
    from outbox_worker.commands.executor import Executor
    from outbox_worker.commands.outcome import Outcome
    from outbox_worker.commands.sessions import Sessions
    from outbox_worker.observe.health import Health
    from outbox_worker.stores import Connection


class CommandLoop:
    """One thread's share of the commands, and what `/readyz` says of its session.

    That the database is away is an outage of all threads: `Sessions` logs it, once for all.
    """

    def __init__(self, name: str, executor: Executor, sessions: Sessions, health: Health) -> None:
        """Connect with the first step."""
        self._name = name
        self._executor = executor
        self._sessions = sessions
        self._health = health
        self._connection: Connection | None = None
        self._is_well = False
        self._backoff = Backoff()
        self._wait = 0.0
        health.set_unready("database", "not reached yet", name)

    def step(self) -> float:
        """Execute one command or one group; seconds until the next step."""
        try:
            connection = self._connect()
        except psycopg.OperationalError as error:
            return self._trouble(error)
        return self._after(connection, self._executor.run_once(connection))

    def _after(self, connection: Connection, outcome: Outcome) -> float:
        self._wait = self._wait if isinstance(outcome, Idle) else 0.0
        match outcome:
            case Idle():
                return self._rest()
            case Succeeded() | Rejected() | Overtaken() | GroupDone():
                return self._well()
            case Failed() | SetAside():
                # Nothing that it may have left in the session reaches the next command.
                self._disconnect(usable=False)
                return self._well()
            case GroupUndone():
                return self._undone(connection, outcome.error)
            case Postponed():
                return self._postponed(connection, outcome.error)
            case Unreached():
                self._disconnect(usable=_is_usable(connection))
                return self._trouble(outcome.error)
            case _:
                assert_never(outcome)

    def close(self) -> None:
        """Give the session back; the command in hand is finished."""
        self._disconnect(usable=True)

    def _connect(self) -> Connection:
        if self._connection is None:
            self._connection = self._sessions.take()
        return self._connection

    def _disconnect(self, *, usable: bool) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._sessions.give_back(connection, usable=usable)

    def _well(self) -> float:
        """All is as it must be: continue at once."""
        if not self._is_well:
            self._is_well = True
            self._sessions.well()
            self._health.set_ready("database", self._name)
        self._backoff.reset()
        return 0.0

    def _rest(self) -> float:
        """A pause that grows for as long as there is nothing to do, no two threads in step."""
        self._well()
        self._wait = min(max(self._wait * IDLE_POLL_GROWTH, IDLE_POLL_MIN_S), COMMAND_IDLE_MAX_S)
        return self._wait * random.uniform(0.5, 1.0)  # noqa: S311  no secret

    def _postponed(self, connection: Connection, error: Exception) -> float:
        """Continue where it was the command's own bad luck; where all have it, ever more slowly."""
        if not _is_usable(connection):
            self._disconnect(usable=False)
            return self._trouble(error)
        if is_contention(error):
            return self._well()
        has_failed, pause = self._backoff.has_failed, self._backoff.next()
        return pause if has_failed else 0.0

    def _undone(self, connection: Connection, error: Exception) -> float:
        """Execute the commands again; whether the database is away the next of them will see."""
        leaves_nothing = isinstance(error, UnguardedError) or is_infrastructure(error)
        if not (leaves_nothing and _is_usable(connection)):
            self._disconnect(usable=False)
        return 0.0

    def _trouble(self, error: Exception) -> float:
        """The database is away, or refuses us: ask again, ever more slowly."""
        self._is_well = False
        self._health.set_unready("database", self._sessions.lost(error), self._name)
        return self._backoff.next()


def _is_usable(connection: Connection) -> bool:
    return connection.info.transaction_status is TransactionStatus.IDLE
