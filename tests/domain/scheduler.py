"""Transactions that are stepped through in a given order, statement by statement.

Each has a thread and a connection; its cursor stops before a statement until the next step
is granted. The server says whether one waits for another.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import psycopg
from typing_extensions import override

import outbox_school
from outbox_worker.application import Command

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from typing import Self

    from outbox_school.commands import AnyCommand

PATIENCE_S: Final = 60.0
GLANCE_S: Final = 0.003
"""A step that takes longer may be waiting: then the server is asked."""

END: Final = "end"
"""The stop before a transaction ends."""

Pick: TypeAlias = "Callable[[Sequence[int]], int]"
"""Chooses which of the ready transactions takes the next step."""

Work: TypeAlias = "AnyCommand | Callable[[psycopg.Connection[Any]], object]"
"""A command, or another function of a connection."""

Outcome = TypeVar("Outcome")


class Gate:
    """Where a transaction stops: before each statement that `stops` names, and its end."""

    def __init__(self, stops: Collection[str]) -> None:
        self._stops = stops
        self._changed = threading.Condition()
        self._permits = 0
        self._arrivals = 0
        self._open = False
        self.ended = False

    def arrive(self, statement: str) -> None:
        """Called by the transaction: stop here until the next step is granted."""
        if statement not in self._stops:
            return
        with self._changed:
            self._arrivals += 1
            self._changed.notify_all()
            waited = self._changed.wait_for(lambda: self._permits > 0 or self._open, PATIENCE_S)
            assert waited, f"the step {statement} was never granted"
            self._permits = max(0, self._permits - 1)

    def end(self) -> None:
        """Called by the transaction: there is no further stop."""
        with self._changed:
            self._arrivals += 1
            self.ended = True
            self._changed.notify_all()

    def grant(self, *, all_further: bool = False) -> None:
        """Let the transaction run to its next stop, or to its end."""
        with self._changed:
            self._permits += 1
            self._open = self._open or all_further
            self._changed.notify_all()

    def arrived(self, times: int, timeout: float) -> bool:
        """Whether the transaction has reached so many stops within the time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._arrivals >= times, timeout)


class SteppedConnection(psycopg.Connection[Any]):
    """A connection with a gate while a transaction on it is stepped through."""

    gate: Gate | None = None


class SteppedCursor(psycopg.Cursor[Any]):
    """Asks the gate before each statement, by the name in its first line."""

    @override
    def execute(self, query: Any, *arguments: Any, **options: Any) -> Self:
        link = self.connection
        if isinstance(link, SteppedConnection) and link.gate and isinstance(query, bytes):
            link.gate.arrive(query.partition(b"\n")[0].removeprefix(b"-- ").decode())
        return super().execute(query, *arguments, **options)


@dataclass(frozen=True)
class Transaction:
    """A transaction: what it does, and whether it commits."""

    works: Sequence[Work]
    commits: bool = True


@dataclass
class RunningTransaction:
    """A transaction that has begun."""

    link: SteppedConnection
    transaction: Transaction
    gate: Gate
    future: Future[list[object]] = field(default_factory=Future)
    steps: int = 0
    stuck: bool = False

    def run(self) -> list[object]:
        self.link.gate = self.gate
        try:
            with self.link.transaction(force_rollback=not self.transaction.commits):
                results = [carry_out(self.link, each) for each in self.transaction.works]
                self.gate.arrive(END)
                return results
        finally:
            self.link.gate = None
            self.gate.end()


def carry_out(link: psycopg.Connection[Any], work: Work) -> object:
    """The result of a command, or what the function returns."""
    return outbox_school.handle(link, work) if isinstance(work, Command) else work(link)


@dataclass(frozen=True)
class Execution:
    """The order that was taken, and the results of each transaction."""

    taken: list[int]
    results: list[list[object]]


class Scheduler:
    """Runs transactions step by step in a given order, as far as they do not wait."""

    def __init__(
        self,
        links: Sequence[SteppedConnection],
        watcher: psycopg.Connection[Any],
        pool: ThreadPoolExecutor,
    ) -> None:
        self._links = links
        self._watcher = watcher
        self._pool = pool

    def run(
        self, transactions: Sequence[Transaction], stops: Collection[str], pick: Pick
    ) -> Execution:
        """Run all to the end. Fails if all wait for each other."""
        running = [
            RunningTransaction(link, transaction, Gate(stops))
            for link, transaction in zip(self._links, transactions, strict=False)
        ]
        try:
            return self._run(running, pick)
        finally:
            for transaction in running:
                transaction.gate.grant(all_further=True)
            for transaction in running:
                transaction.future.exception(PATIENCE_S)

    def _run(self, running: Sequence[RunningTransaction], pick: Pick) -> Execution:
        taken: list[int] = []
        for transaction in running:
            transaction.future = self._pool.submit(transaction.run)
            self._settle(transaction)
        while going := [n for n, each in enumerate(running) if not each.gate.ended]:
            ready = [n for n in going if not running[n].stuck]
            assert ready, f"all wait for each other after {taken}"
            chosen = pick(ready)
            taken.append(chosen)
            running[chosen].gate.grant()
            self._settle(running[chosen])
            # One that waited for it may continue now, and then wait for another one.
            for each in running:
                if each.stuck:
                    self._settle(each)
        return Execution(taken, [transaction.future.result(PATIENCE_S) for transaction in running])

    def _settle(self, transaction: RunningTransaction) -> None:
        """Return when the transaction has come to its next stop, its end, or a lock of another."""
        deadline = time.monotonic() + PATIENCE_S
        glance = 0.0 if transaction.stuck else GLANCE_S
        while not transaction.gate.arrived(transaction.steps + 1, glance):
            if self._waits(transaction):
                transaction.stuck = True
                return
            assert time.monotonic() < deadline, "a step neither ends nor waits"
            glance = GLANCE_S
        transaction.stuck = False
        transaction.steps += 1

    def _waits(self, transaction: RunningTransaction) -> bool:
        """Whether it waits for one of the others: not for a vacuum that came by."""
        others = [each.info.backend_pid for each in self._links]
        row = self._watcher.execute(
            "SELECT pg_blocking_pids(%s) && %s::integer[]",
            (transaction.link.info.backend_pid, others),
        ).fetchone()
        return row is not None and bool(row[0])


@contextmanager
def scheduler(url: str, running: int) -> Iterator[Scheduler]:
    """One connection for each transaction; a deadlock is noticed long before Postgres does."""
    with ExitStack() as stack:
        links = [
            stack.enter_context(
                SteppedConnection.connect(
                    url,
                    autocommit=True,
                    cursor_factory=SteppedCursor,
                    prepare_threshold=0,
                    options="-c synchronous_commit=off -c deadlock_timeout=5s",
                )
            )
            for _ in range(running)
        ]
        watcher = stack.enter_context(psycopg.connect(url, autocommit=True))
        yield Scheduler(links, watcher, stack.enter_context(ThreadPoolExecutor(running)))


class Explorer:
    """Picks so that run after run every order comes up once."""

    def __init__(self) -> None:
        self._path: list[tuple[tuple[int, ...], int]] = []
        self._depth = 0

    def pick(self, ready: Sequence[int]) -> int:
        if self._depth == len(self._path):
            self._path.append((tuple(ready), 0))
        known, chosen = self._path[self._depth]
        assert known == tuple(ready), "the same steps led to another place"
        self._depth += 1
        return known[chosen]

    def advance(self) -> bool:
        """Prepare the next order; False after the last one."""
        self._depth = 0
        while self._path:
            ready, chosen = self._path.pop()
            if chosen + 1 < len(ready):
                self._path.append((ready, chosen + 1))
                return True
        return False


def in_every_order(run: Callable[[Pick], Outcome]) -> list[Outcome]:
    """Run again and again until every order came up once; returns the outcome of each."""
    explorer = Explorer()
    outcomes = [run(explorer.pick)]
    while explorer.advance():
        outcomes.append(run(explorer.pick))
    return outcomes
