"""A thin link: so many bytes a second."""

from __future__ import annotations

import time
from typing import Final

BURST_S: Final = 0.05
"""What such a time is worth passes at once."""


class Throttle:
    """Counts what may pass; wide open until it has a rate."""

    def __init__(self) -> None:
        self._rate: float | None = None
        self._allowance = self._counted_at = 0.0

    @property
    def is_on(self) -> bool:
        """Whether there is a rate."""
        return self._rate is not None

    def turn(self, rate: float | None) -> None:
        """To bytes a second, or None: wide open."""
        self._allowance, self._counted_at = 0.0, time.monotonic()
        self._rate = rate

    def room(self, most: int) -> int:
        """How many of so many bytes may pass now."""
        if self._rate is None:
            return most
        now = time.monotonic()
        more = (now - self._counted_at) * self._rate
        self._allowance = min(self._allowance + more, self._rate * BURST_S)
        self._counted_at = now
        return min(most, max(0, int(self._allowance)))

    def passed(self, count: int) -> None:
        """So many bytes passed."""
        self._allowance -= count
