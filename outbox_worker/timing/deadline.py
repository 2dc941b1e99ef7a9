"""A moment until which something is waited for."""

from __future__ import annotations

import threading
import time


class Deadline:
    """So many seconds from now."""

    def __init__(self, seconds: float) -> None:
        """Count from now on, by a clock that is never set."""
        self._at = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds until then, 0 afterwards."""
        return max(0.0, self._at - time.monotonic())

    @property
    def passed(self) -> bool:
        """Whether it is over."""
        return time.monotonic() >= self._at

    def pause(self, seconds: float) -> bool:
        """Wait for so many seconds and return True; at once False where time is over.

        For one that asks again and again: nobody tells when the answer changes.
        """
        if self.passed:
            return False
        threading.Event().wait(seconds)
        return True
