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


def wait_until(fact: Callable[[], Fact], timeout: float, what: str) -> Fact:
    """Ask for `fact` until it is true, and return it.

    Fails with `what` was waited for, and what the last answer was, once `timeout`
    seconds (so many times longer as OUTBOX_TEST_PATIENCE says) are over.
    """
    timeout *= PATIENCE
    deadline = time.monotonic() + timeout
    pause = threading.Event()
    while True:
        answer = fact()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what} (last answer: {answer!r})")
        pause.wait(ASK_EVERY_S)
