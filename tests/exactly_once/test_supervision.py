"""A worker that ends by itself is noticed, and one that could not start is started again."""

from __future__ import annotations

import signal
import sys
from functools import partial
from typing import TYPE_CHECKING, Final

import pytest

from tests.harness.waiting import wait_until
from tests.harness.workers import ANSWERLESS, RESTARTS, Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

STARTED: Final = """print('{"event": "started"}', flush=True)\n"""
OBEY: Final = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n"
STAY: Final = "import threading; threading.Event().wait()"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], Worker]]:
    """Starts a process that does as a worker could."""
    workers: list[Worker] = []

    def new(script: str) -> Worker:
        name = f"worker-{len(workers)}"
        workers.append(Worker(name, tmp_path / name, [sys.executable, "-c", script]))
        return workers[-1]

    yield new
    for worker in workers:
        worker.end()


@pytest.mark.parametrize("code", [0, 1, ANSWERLESS, -signal.SIGKILL])
def test_who_ends_unasked_is_gone(start: Callable[[str], Worker], code: int) -> None:
    kill = f"import os; os.kill(os.getpid(), {-code})"
    worker = start(STARTED + (f"raise SystemExit({code})" if code >= 0 else kill))
    assert worker.await_end() == code
    worker.supervise()
    assert not worker.alive
    assert not worker.ended_as_asked


def test_who_ends_by_a_signal_of_the_test_is_not_gone(start: Callable[[str], Worker]) -> None:
    told, killed = (start(OBEY + STARTED + STAY) for _ in range(2))
    for worker in (told, killed):
        wait_until(partial(worker.said, "started"), 20, "it has started")
        assert worker.ended_as_asked
    assert told.stop() == 0
    assert told.ended_as_asked
    killed.kill()
    assert killed.ended_as_asked


def test_who_had_no_answer_at_its_start_is_started_again_a_few_times(
    start: Callable[[str], Worker],
) -> None:
    worker = start(f"print('error: nobody answers'); raise SystemExit({ANSWERLESS})")
    for _ in range(RESTARTS):
        before = worker.process
        assert worker.await_end() == ANSWERLESS
        worker.supervise()
        assert worker.process is not before
    assert worker.await_end() == ANSWERLESS
    last = worker.process
    worker.supervise()
    assert worker.process is last
    assert not worker.ended_as_asked
