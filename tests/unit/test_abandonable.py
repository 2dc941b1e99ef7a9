"""A thread that waits for Kafka in our place can be left behind, but not without end."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from outbox_worker.errors import StuckError
from outbox_worker.relay.abandonable import MOST_LEFT, AbandonableThread
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def freed() -> Iterator[threading.Event]:
    """Until it is set, calls hang."""
    event = threading.Event()
    yield event
    event.set()


def threads() -> int:
    return sum(each.name == "hanging" for each in threading.enumerate())


def test_of_calls_that_hang_only_so_many_are_left_behind(freed: threading.Event) -> None:
    caller = AbandonableThread("hanging")
    for _ in range(MOST_LEFT):
        caller.submit(freed.wait)
        caller.leave()
    for _ in range(20 - MOST_LEFT):
        caller.submit(freed.wait)
        with pytest.raises(StuckError, match="did not return"):
            caller.leave()
    assert threads() == MOST_LEFT + 1
    freed.set()
    wait_until(lambda: threads() == 0, 10, "the calls have returned")
    caller.leave()
    assert caller.submit(lambda: 7).result(10) == 7
    caller.close()


def test_calls_that_return_late_are_not_counted(freed: threading.Event) -> None:
    caller = AbandonableThread("hanging")
    for _ in range(3 * MOST_LEFT):
        late = threading.Event()
        answer = caller.submit(late.wait)
        caller.leave()
        late.set()
        assert answer.result(10)
        wait_until(lambda: threads() == 1, 10, "the thread that was left behind has ended")
    caller.close()
