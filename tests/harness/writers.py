"""Writers that hammer a few hot keys from several threads, whatever happens to the server."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING, Final, Self

import psycopg
from typing_extensions import override

from tests.harness.drafts import SLOW_STYLES, STYLES, Draft
from tests.harness.ledger import Ledger
from tests.harness.waiting import patient

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from tests.harness.drafts import Connection, Style

CREATE_SUBJECT: Final = (
    "CREATE TABLE IF NOT EXISTS subject (key text PRIMARY KEY, counter bigint NOT NULL DEFAULT 0)"
)
ADD_KEY: Final = "INSERT INTO subject (key) VALUES (%s) ON CONFLICT DO NOTHING"

RECONNECT_S: Final = 0.1
JOIN_S: Final = 60.0


class Writer(threading.Thread):
    """Runs one transaction after the other, and connects anew as long as that takes."""

    def __init__(
        self,
        workload: Workload,
        name: str,
        keys: Sequence[str],
        styles: Sequence[tuple[Style, int]],
    ) -> None:
        """Write events of `keys` in these `styles`, drawn by their weights."""
        super().__init__(name=name, daemon=True)
        self._workload = workload
        self._rng = random.Random(f"{workload.seed}/{name}")
        self._keys = keys
        self._styles = [style for style, _ in styles]
        self._weights = [weight for _, weight in styles]
        self.failure: Exception | None = None

    @override
    def run(self) -> None:
        """Until the workload stops; an error that no fault of a server explains ends it."""
        stop = self._workload.stopping
        try:
            while not stop.is_set():
                try:
                    self._write()
                except psycopg.errors.DeadlockDetected:
                    raise
                except (psycopg.OperationalError, psycopg.InterfaceError):
                    stop.wait(RECONNECT_S)
        except Exception as error:  # noqa: BLE001  the workload raises it where the test sees it
            self.failure = error

    def _write(self) -> None:
        workload = self._workload
        with psycopg.connect(workload.url, connect_timeout=5) as connection:
            while not workload.stopping.is_set():
                self._transaction(connection)
                workload.stopping.wait(self._rng.uniform(0.0, 2 * workload.pause_s))

    def _transaction(self, connection: Connection) -> None:
        workload = self._workload
        ledger = workload.ledger
        draft = Draft(connection, self._rng, workload.topics, self._keys, workload.stopping)
        style = self._rng.choices(self._styles, self._weights)[0]
        try:
            keep = style(draft)
            if not keep:
                connection.rollback()
        except psycopg.Error:
            ledger.roll_back(draft.written + draft.undone)
            raise
        ledger.roll_back(draft.undone)
        if not keep:
            ledger.roll_back(draft.written)
            return
        try:
            connection.commit()
        except psycopg.Error:
            ledger.lose_sight(draft.written)
            raise
        ledger.commit(draft.written)


class Workload:
    """Writers on one database. A context manager: they write inside its block."""

    def __init__(
        self,
        url: str,
        topics: Sequence[str],
        seed: int,
        *,
        writers: int = 3,
        pause_s: float = 0.02,
    ) -> None:
        """Write to `url` with `writers` threads and one for long transactions.

        `pause_s` is the mean pause of a writer between two transactions. The
        same `seed` makes the same transactions, not the same interleaving.
        """
        self.url = url
        self.topics = topics
        self.seed = seed
        self.pause_s = pause_s
        self.ledger = Ledger()
        self.stopping = threading.Event()
        keys = [f"hot-{n:02}" for n in range(24)]
        slow = ["slow-0", "slow-1"]
        self._all_keys = keys + slow
        self._writers = [Writer(self, f"writer-{n}", keys, STYLES) for n in range(writers)]
        self._writers.append(Writer(self, "long transaction", slow, SLOW_STYLES))

    def __enter__(self) -> Self:
        with psycopg.connect(self.url) as connection:
            connection.execute(CREATE_SUBJECT)
            connection.cursor().executemany(ADD_KEY, [(key,) for key in self._all_keys])
        for writer in self._writers:
            writer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stopping.set()
        for writer in self._writers:
            writer.join(patient(JOIN_S))
        if kind is None:
            self.check()

    @property
    def events(self) -> int:
        """How many events are known to be committed."""
        return len(self.ledger.committed)

    def check(self) -> None:
        """Raise what ended a writer, if anything did."""
        for writer in self._writers:
            if writer.failure is not None:
                message = f"{writer.name} failed"
                raise AssertionError(message) from writer.failure
            if self.stopping.is_set() and writer.is_alive():
                message = f"{writer.name} does not end"
                raise AssertionError(message)
