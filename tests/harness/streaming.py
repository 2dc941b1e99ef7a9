"""A primary and a streaming standby, and the two ways of losing the primary."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Final, Self

import psycopg

from outbox_worker.local.postgres import PostgresServer
from tests.harness.databases import of_either
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from types import TracebackType

RELOAD: Final = "SELECT pg_reload_conf()"
WAIT_FOR_STANDBY: Final = "ALTER SYSTEM SET synchronous_standby_names = '*'"
STANDBYS: Final = "SELECT sync_state FROM pg_stat_replication WHERE state = 'streaming'"
IS_BEHIND: Final = (
    "SELECT count(*) FROM pg_stat_replication WHERE replay_lsn < pg_current_wal_lsn()"
)
STOP_STREAMING: Final = "ALTER SYSTEM SET primary_conninfo = ''"
STREAMS: Final = "SELECT count(*) FROM pg_stat_wal_receiver"

READY_S: Final = 60.0


class StreamingPair:
    """Two servers on two ports, one of which takes writes. A context manager."""

    def __init__(self) -> None:
        """Nothing runs yet."""
        self._stack = ExitStack()
        self.primary = PostgresServer()

    def __enter__(self) -> Self:
        self._stack.enter_context(self.primary)
        self.standby = self._stack.enter_context(PostgresServer(source=self.primary))
        self._await_streaming()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def url(self, name: str) -> str:
        """Of a database, on whichever server takes writes, now and after any fail-over."""
        return of_either(self.primary, self.standby, name)

    def fail_over(self) -> None:
        """The primary crashes and stays away; the standby takes over."""
        self.primary.stop("immediate")
        self.standby.promote()

    def renew_standby(self) -> None:
        """After a fail-over: a new standby of the new primary, on the port of the old one."""
        gone, self.primary = self.primary, self.standby
        self.standby = PostgresServer(port=gone.port, source=self.primary)
        self._stack.enter_context(self.standby)
        self._await_streaming()

    def wait_for_standby(self) -> None:
        """From now on no commit is answered, nor seen, before the standby has it."""
        _tell(self.primary, WAIT_FOR_STANDBY)
        wait_until(lambda: _ask(self.primary, STANDBYS) == ["sync"], READY_S, "it is in sync")

    def stop_streaming(self) -> None:
        """The standby has all until now, and gets nothing from now on."""
        wait_until(lambda: _ask(self.primary, IS_BEHIND) == [0], READY_S, "the standby has all")
        _tell(self.standby, STOP_STREAMING)
        wait_until(lambda: _ask(self.standby, STREAMS) == [0], READY_S, "streaming has stopped")

    def _await_streaming(self) -> None:
        wait_until(lambda: _ask(self.primary, STANDBYS) == ["async"], READY_S, "it streams")


def _ask(server: PostgresServer, statement: str) -> list[object]:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        return [row[0] for row in connection.execute(statement)]


def _tell(server: PostgresServer, statement: str) -> None:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(statement)
        connection.execute(RELOAD)
