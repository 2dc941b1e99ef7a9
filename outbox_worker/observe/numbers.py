"""The numbers of the application, asked of the database at each scrape.

A scrape never waits for a database that does not answer: it goes without these
numbers, and the log says why, once.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Final

import psycopg
import structlog
from prometheus_client.registry import Collector
from typing_extensions import override

from outbox_worker.errors import ServerError
from outbox_worker.postgres import database
from outbox_worker.timing.outage import Outage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prometheus_client.metrics_core import Metric

    from outbox_worker.application import Numbers
    from outbox_worker.stores import Connection

ANSWER_S: Final = 1.0
"""How long a scrape waits for the database; Prometheus itself gives up after 10 s."""

OPTIONS: Final[Mapping[str, str]] = {
    "statement_timeout": "900ms",
    "lock_timeout": "900ms",
    "jit": "off",
}

log = structlog.get_logger("metrics")


class ScrapeNumbers(Collector):
    """The numbers of an application; absent while the database is away."""

    def __init__(self, url: str, numbers: Numbers) -> None:
        """Ask the database at `url`, over one connection that is kept between scrapes."""
        self._url = url
        self._numbers = numbers
        self._asking = threading.Lock()
        self._connection: Connection | None = None
        self._outage = Outage()

    @override
    def collect(self) -> Iterator[Metric]:
        """Ask now; nothing where there is no answer within `ANSWER_S`."""
        answers: list[list[Metric]] = []
        # A thread: a server that is frozen, or a network that is cut, ends no call of ours.
        thread = threading.Thread(target=self._ask, args=(answers,), name="numbers", daemon=True)
        thread.start()
        thread.join(ANSWER_S)
        if answers:
            yield from answers[0]
        elif thread.is_alive():
            self._say(f"The database did not answer within {ANSWER_S} s")

    def describe(self) -> Iterator[Metric]:
        """The names, so that nobody else takes them."""
        yield from self._numbers.describe()

    def close(self) -> None:
        """Let the connection go; one that is in use ends with the process."""
        if self._asking.acquire(blocking=False):
            with self._asking_ended():
                self._disconnect()

    @contextlib.contextmanager
    def _asking_ended(self) -> Iterator[None]:
        try:
            yield
        finally:
            self._asking.release()

    def _ask(self, answers: list[list[Metric]]) -> None:
        # Another scrape that still waits has the connection.
        if not self._asking.acquire(timeout=ANSWER_S):
            return
        with self._asking_ended():
            try:
                answers.append(self._read())
            except (psycopg.Error, ServerError) as error:
                self._disconnect()
                self._say(error)
            else:
                self._well()

    def _read(self) -> list[Metric]:
        kept = self._connection is not None
        try:
            return list(self._numbers.read(self._connect()))
        except (psycopg.OperationalError, psycopg.InterfaceError):
            if not kept or (self._connection is not None and not self._connection.broken):
                raise
            # It was cut since the last scrape: the database may well be there.
            self._disconnect()
            return list(self._numbers.read(self._connect()))

    def _connect(self) -> Connection:
        if self._connection is None:
            self._connection = database.connect(
                self._url, application="outbox-worker numbers", options=OPTIONS
            )
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(psycopg.Error):
                connection.close()

    def _say(self, fault: Exception | str) -> None:
        if self._outage.begin(fault):
            log.warning(
                "numbers_absent",
                error=self._outage.words,
                hint="the other metrics are there; these come back with the database",
            )

    def _well(self) -> None:
        if over := self._outage.end():
            log.info("numbers_back", after=over.after, seconds=over.seconds)
