"""What `/livez` and `/readyz` answer, told by the loops themselves."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

LIVE_S: Final = 90.0
"""A loop that has not moved for so long is stuck: above every bounded wait of the loops."""


class Health:
    """Beats and conditions, written by the loops and read by the HTTP server."""

    def __init__(self) -> None:
        """Begin with no loops and no conditions."""
        self._lock = threading.Lock()
        self._beats: dict[str, float] = {}
        self._conditions: dict[tuple[str, str], str] = {}
        self.shards: Mapping[str, int] = {}
        """By state, how many shards of this worker are in it; without the states of none."""

    def beat(self, loop: str) -> None:
        """Say that `loop` moved."""
        self._beats[loop] = time.monotonic()

    def set_unready(self, part: str, why: str, teller: str = "") -> None:
        """Say that `part` (database, schema, broker, group) is not as it must be, and why.

        Loops that have to do with the same part say who tells: each speaks for itself.
        """
        with self._lock:
            self._conditions[part, teller] = why

    def set_ready(self, part: str, teller: str = "") -> None:
        """Say that `part` is as it must be."""
        with self._lock:
            self._conditions[part, teller] = ""

    def stuck(self) -> list[str]:
        """The loops that have not moved lately."""
        now = time.monotonic()
        return [name for name, beat in dict(self._beats).items() if now - beat > LIVE_S]

    def unready(self) -> dict[str, str]:
        """By part, what is not as it must be."""
        with self._lock:
            return {part: why for (part, _), why in self._conditions.items() if why}
