"""The executor's sessions: one for each thread, from a pool that replaces those that broke."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import structlog
from psycopg_pool import ConnectionPool, PoolTimeout

from outbox_worker.errors import HistoryLostError, ServerError
from outbox_worker.logs.safe_text import describe
from outbox_worker.postgres import database, switchover
from outbox_worker.timing.deadline import Deadline
from outbox_worker.timing.outage import Outage

if TYPE_CHECKING:
    from collections.abc import Mapping

    import psycopg

    from outbox_worker.stores import Connection

APPLICATION: Final = "outbox-worker commands"

OPTIONS: Final[Mapping[str, str]] = {
    "statement_timeout": "30s",
    "lock_timeout": "200ms",
    "idle_in_transaction_session_timeout": "60s",
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
}
"""A command holds up others for seconds at most, also where its process was frozen. Whoever waits
for a lock occupies a thread, and to be tried again costs nothing: a handful of commands that a
long transaction of a service blocks must not keep all others waiting. Plans are made once for
each session, and not for the empty tables that it may have met."""

WAIT_S: Final = 2.0
"""How long a thread waits for a session before it checks whether it must stop."""

ASK_S: Final = 10.0
"""How often at most the server is asked why there is no session, while that lasts."""

CLOSE_S: Final = 0.3
"""How long the pool's own threads may take to end; one that is connecting is left behind."""

log = structlog.get_logger("commands")


class Sessions:
    """Gives each thread a session that works. All connect with the first that is asked for."""

    def __init__(self, url: str, count: int, cursor_factory: type[psycopg.Cursor[Any]]) -> None:
        """Hold `count` sessions in the database at `url`; nothing is reached yet."""
        self._url = url
        self._lock = threading.Lock()
        self._outage = Outage()
        self._asked = Deadline(0.0)
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            # Asked for each connection: a password may be good for minutes.
            kwargs=partial(self._arguments, cursor_factory),
            min_size=count,
            max_size=count,
            open=False,
            configure=self._configure,
            check=ConnectionPool.check_connection,
            name="commands",
            timeout=WAIT_S,
            # Its threads have a back-off of their own: the pool tries when one of them asks.
            reconnect_timeout=0,
        )

    def take(self) -> Connection:
        """A session that works; `psycopg.OperationalError` where there is none in time."""
        self._pool.open()
        return self._pool.getconn()

    def give_back(self, connection: Connection, *, usable: bool) -> None:
        """The session is not needed any more, or is replaced where it is not `usable`."""
        if not usable:
            connection.close()
        self._pool.putconn(connection)

    def well(self) -> None:
        """The database does what it is asked; said once."""
        with self._lock:
            over = self._outage.end()
            if over is not None:
                log.info("database_back", after=over.after, seconds=over.seconds)

    def lost(self, error: Exception) -> str:
        """The database does not do what it is asked; said once for each cause, returns why."""
        with self._lock:
            if self._outage.begin(self._reason(error)):
                log.warning("database_away", error=self._outage.words)
            return self._outage.words

    def close(self) -> None:
        """Close those that were given back."""
        self._pool.close(CLOSE_S)

    def _reason(self, error: Exception) -> str:
        """Of a pool that only says how long it waited, the server is asked itself, now and then."""
        if not isinstance(error, PoolTimeout):
            return describe(error)
        if self._outage.words and not self._asked.passed:
            return self._outage.words
        try:
            with database.connect(self._url, application=APPLICATION) as link:
                switchover.see_that_numbers_go_on(link)
        except (ServerError, HistoryLostError) as reason:
            return str(reason)
        finally:
            self._asked = Deadline(ASK_S)
        return describe(error)

    def _arguments(self, cursor_factory: type[psycopg.Cursor[Any]]) -> dict[str, Any]:
        given = database.arguments(self._url, application=APPLICATION)
        return {**given, "cursor_factory": cursor_factory}

    def _configure(self, connection: Connection) -> None:
        database.prepare(connection, self._url, OPTIONS)
        try:
            # It may lead to another server than the one before.
            switchover.see_that_numbers_go_on(connection)
        except HistoryLostError:
            connection.close()
            raise
