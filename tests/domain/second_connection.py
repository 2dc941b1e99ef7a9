"""A second connection whose command waits for the first: steps of two transactions in turn."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg

import outbox_school
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from outbox_school.commands import AnyCommand
    from outbox_school.results import Result
    from tests.domain.school_rows import Connection

WAIT_S = 60.0


class SecondConnection:
    """A connection whose commands run in a thread."""

    def __init__(self, link: Connection, watcher: Connection, pool: ThreadPoolExecutor) -> None:
        """Run commands on `link`, and observe it through `watcher`."""
        self.link = link
        self._watcher = watcher
        self._pool = pool

    def begin(self, command: AnyCommand) -> Future[Result]:
        """Start a command; its future is done when the command is."""
        return self._pool.submit(outbox_school.handle, self.link, command)

    def begin_blocked(self, command: AnyCommand) -> Future[Result]:
        """Start a command that has to wait for another transaction, and return once it does."""
        future = self.begin(command)
        wait_until(lambda: self._waits() or future.done(), WAIT_S, "the command waits")
        assert not future.done(), future.result()
        return future

    def _waits(self) -> bool:
        row = self._watcher.execute(
            "SELECT cardinality(pg_blocking_pids(%s)) > 0", (self.link.info.backend_pid,)
        ).fetchone()
        return bool(row and row[0])


@contextmanager
def second_connections(database: str, count: int = 1) -> Iterator[list[SecondConnection]]:
    """Further connections, in autocommit: a command is a transaction."""
    with ThreadPoolExecutor(count) as pool, psycopg.connect(database, autocommit=True) as watcher:
        links = [psycopg.connect(database, autocommit=True) for _ in range(count)]
        try:
            yield [SecondConnection(link, watcher, pool) for link in links]
        finally:
            for link in links:
                # A command that still waits ends with an error instead of hanging the test.
                link.cancel_safe()
            pool.shutdown()
            for link in links:
                link.close()
