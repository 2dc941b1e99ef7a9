"""A thread that waits for Kafka in our place, and that can be left behind.

Calls of librdkafka do not always end within the time-out they are given: after a
restart of the broker `send_offsets_to_transaction` was seen to wait for ever. The
thread is a daemon, so that neither the worker nor the end of the process waits with it.
"""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

from outbox_worker.errors import StuckError

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_LEFT: Final = 8
"""Calls that may hang at once: each keeps a thread, and mostly a producer with threads, buffers
and connections of its own."""

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


class AbandonableThread:
    """Makes one call after the other on a thread of its own."""

    def __init__(self, name: str) -> None:
        """Start the thread; `name` shows in stack dumps."""
        self._name = name
        self._left: list[threading.Thread] = []
        self._calls: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None]
        self._start()

    def submit(
        self, call: Callable[Given, Answer], *given: Given.args, **named: Given.kwargs
    ) -> Future[Answer]:
        """Have `call` made; the future has its answer or what it raised."""
        future: Future[Answer] = Future()
        self._calls.put((future, lambda: call(*given, **named)))
        return future

    def leave(self) -> None:
        """Leave a call behind that does not end; a new thread makes the next ones.

        `StuckError` where too many are left behind that still did not end.
        """
        self.close()
        self._left = [each for each in (*self._left, self._thread) if each.is_alive()]
        if len(self._left) > MOST_LEFT:
            raise StuckError(
                f"{len(self._left)} calls to Kafka ({self._name}) did not return, whatever time "
                "they were given",
                "Start the worker again, as a supervisor does by itself: nothing is lost. See the "
                "brokers: a coordinator that is gone for good is the usual cause",
            )
        self._start()

    def close(self) -> None:
        """End the thread once the call that is under way ends, if it does."""
        self._calls.put(None)

    def _start(self) -> None:
        self._calls = queue.SimpleQueue()
        arguments = (self._calls,)
        self._thread = threading.Thread(target=_work, args=arguments, name=self._name, daemon=True)
        self._thread.start()


def _work(calls: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None]) -> None:
    while (asked := calls.get()) is not None:
        future, call = asked
        try:
            future.set_result(call())
        except Exception as error:  # noqa: BLE001  it is raised where the answer is taken
            future.set_exception(error)
