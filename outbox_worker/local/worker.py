"""A worker as a process of its own, on this machine, that goes with its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from outbox_worker.local.guard import Guard

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

STOP_S: Final = 10.0
"""From SIGTERM to the end a worker takes less than 5 s."""


class WorkerProcess:
    """`outbox-worker run` under the given settings; its log is in a file that goes with it."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        """Take OUTBOX_ settings, by their full names; none of our own environment's counts."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("OUTBOX_")}
        self._guard = Guard()
        directory = Path(tempfile.mkdtemp(prefix="outbox-worker-"))
        self._guard.remove(directory)
        self._log = directory / "worker.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "outbox_worker", "run"],
                env={**kept, **settings},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._guard.watch(self._process.pid, signal.SIGTERM)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
        self._guard.close()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """Whether it is gone."""
        return self._process.poll() is not None

    def log_text(self) -> str:
        """What it logged so far."""
        return self._log.read_text(errors="replace")

    def kill(self) -> None:
        """SIGKILL: it has no time to tidy up."""
        if not self.has_ended:
            self._process.kill()
        self._end()

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        if not self.has_ended:
            self._process.terminate()
        return self._end()

    def _end(self) -> int:
        code = self._process.wait(STOP_S)
        self._guard.forget(self._process.pid)
        return code
