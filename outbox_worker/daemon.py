"""`outbox-worker run`: wiring, one thread for each loop, signals, exit.

The main thread waits for a signal or for a loop that ended; every loop is a
`run_once()` and the few lines here around it.
"""

from __future__ import annotations

import os
import signal
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final, Protocol

import psycopg
import structlog
from prometheus_client import CollectorRegistry
from typing_extensions import override

from outbox_worker.errors import OutboxError, WorkFailedError
from outbox_worker.logs.safe_text import describe
from outbox_worker.observe.health import Health
from outbox_worker.observe.http import HttpServer
from outbox_worker.postgres import database
from outbox_worker.timing.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from outbox_worker.settings import Settings

STOP_S: Final = 4.5
"""Time for the loops to end: the contract promises exit within 5 s of the signal."""

STAGE_S: Final = 0.5
"""What of it is left for each further stage, whatever the stages before it took."""

BEAT_S: Final = 10.0
"""How often a loop that rests says that it lives."""

AT_ONCE: Final = 1
"""Exit code after a second signal: nothing is lost, the open transaction aborts."""

log = structlog.get_logger("worker")


class Closable(Protocol):
    """What is let go with the process."""

    def close(self) -> None:
        """Let go."""


class Loop(threading.Thread):
    """Calls `step` until told to stop; what it raises ends the program.

    `step` does one piece of work and returns how many seconds to wait before
    the next one. `end` is called on the same thread when the loop is over, whatever
    way: a group that is not left keeps its shards from others.
    """

    def __init__(
        self,
        name: str,
        step: Callable[[], float],
        end: Callable[[], None],
        health: Health,
        ended: threading.Event,
    ) -> None:
        """Be ready to `start`; `ended` is set when the loop is over, whatever way."""
        super().__init__(name=name, daemon=True)
        self._step = step
        self._end = end
        self._health = health
        self._ended = ended
        self.stopping = threading.Event()
        self.failure: Exception | None = None

    @override
    def run(self) -> None:
        try:
            while not self.stopping.is_set():
                self._health.beat(self.name)
                self._rest(self._step())
        except Exception as error:  # noqa: BLE001  the main thread raises it
            self._fail(error)
        try:
            self._end()
        except Exception as error:  # noqa: BLE001  as above
            self._fail(error)
        finally:
            self._ended.set()

    def _rest(self, seconds: float) -> None:
        """Wait, and live: a loop may have nothing to do for longer than one may be stuck."""
        rest = Deadline(seconds)
        while not rest.passed and not self.stopping.wait(min(rest.left, BEAT_S)):
            self._health.beat(self.name)

    def _fail(self, error: Exception) -> None:
        """Keep the first error, and log each: the program ends with one message only.

        It ends from here on: what is still to be done here may wait for a server for ever.
        """
        if isinstance(error, OutboxError):
            log.error("loop_failed", loop=self.name, error=error.message, hint=error.hint)
        else:
            log.error("loop_failed", loop=self.name, error=describe(error), exc_info=error)
        failure = _for_people(error, self.name)
        self.failure = self.failure or failure
        self._ended.set()


def _for_people(error: Exception, loop: str) -> OutboxError:
    """The error that ends the program; of a bug no more than a log may hold."""
    if isinstance(error, OutboxError):
        return error
    if isinstance(error, psycopg.Error):
        return database.failure(error)
    failed = WorkFailedError(
        f"The loop {loop} failed: {type(error).__name__}: {describe(error)}",
        "This is a defect: the line loop_failed of the log names the place in the code",
    )
    failed.__cause__ = error
    return failed


class Daemon:
    """The loops of one worker process, from start to the exit code."""

    def __init__(self, settings: Settings) -> None:
        """Hold the settings; nothing is reached before `run`."""
        self._settings = settings
        self.health = Health()
        self.registry = CollectorRegistry()
        self._ended = threading.Event()
        self._signals = 0
        self._loops: list[Loop] = []
        self._kept: list[Closable] = []
        self._stages: dict[int, list[Loop]] = {}

    def keep(self, resource: Closable) -> None:
        """Keep something open until all loops are over: a lock's session, a pool."""
        self._kept.append(resource)

    def add(
        self, name: str, step: Callable[[], float], end: Callable[[], None], stage: int = 0
    ) -> None:
        """Add a loop; it starts with `run`. At the end those of a stage end together.

        What a later stage writes down, an earlier one did.
        """
        loop = Loop(name, step, end, self.health, self._ended)
        self._loops.append(loop)
        self._stages.setdefault(stage, []).append(loop)

    def run(self) -> None:
        """Until a signal: then the loops end and this returns. A loop's first error is raised."""
        with ExitStack() as stack:
            if self._settings.http_address:
                server = HttpServer(self._settings.http_address, self.health, self.registry)
                stack.callback(server.close)
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, self._on_signal)
            for loop in self._loops:
                loop.start()
            self._ended.wait()
            self._stop()
        for resource in self._kept:
            resource.close()
        for loop in self._loops:
            if loop.failure is not None:
                raise loop.failure

    def _stop(self) -> None:
        """End the loops, stage by stage.

        One that waits for a neighbour beyond the time of the contract is left
        behind with the process.
        """
        deadline = Deadline(STOP_S)
        for number, stage in enumerate(sorted(self._stages), start=1):
            kept_s = STAGE_S * (len(self._stages) - number)
            for loop in self._stages[stage]:
                loop.stopping.set()
            for loop in self._stages[stage]:
                loop.join(max(0.0, deadline.left - kept_s))
        stuck = [loop.name for loop in self._loops if loop.is_alive()]
        if not stuck:
            log.info("stopped")
            return
        log.warning("stop_timed_out", loops=stuck, meaning="what is open aborts")
        # Threads that wait inside a client would hold up the interpreter's end.
        failures = [loop.failure for loop in self._loops if loop.failure is not None]
        codes = [each.exit_code if isinstance(each, OutboxError) else 1 for each in failures]
        os._exit(codes[0] if codes else 0)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self._signals += 1
        if self._signals > 1:
            os._exit(AT_ONCE)
        log.info("stopping", signal=signal.Signals(number).name)
        self._ended.set()
