"""Waiting for facts, never for time."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Fact = TypeVar("Fact")

ASK_EVERY_S: Final = 0.05

PATIENCE: Final = float(os.environ.get("OUTBOX_TEST_PATIENCE", "1"))
"""Times longer: a machine that others use too may stand still for half a minute."""

ROUND_S: Final = 2.0
"""At most so much of a round counts as waited: in one that took longer the machine stood still,
and what was waited for stood still as well."""


def patient(seconds: float) -> float:
    """So many seconds on this machine, for a time-out that only ends what hangs."""
    return seconds * PATIENCE


def wait_until(fact: Callable[[], Fact], timeout: float, what: str) -> Fact:
    """Ask for `fact` until it is true, and return it.

    Fails with `what` was waited for, and what the last answer was, once `timeout`
    seconds (so many times longer as OUTBOX_TEST_PATIENCE says) are over. A standstill
    of the machine costs little of them.
    """
    pause = threading.Event()
    left, before = patient(timeout), time.monotonic()
    while True:
        answer = fact()
        if answer:
            return answer
        if left < 0:
            raise AssertionError(
                f"not within {patient(timeout)} s: {what} (last answer: {answer!r})"
            )
        pause.wait(ASK_EVERY_S)
        now = time.monotonic()
        left, before = left - min(now - before, ROUND_S), now
