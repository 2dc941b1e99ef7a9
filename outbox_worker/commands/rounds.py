"""Where the threads of a process are on their way around the keys."""

from __future__ import annotations

import threading


class Rounds:
    """Shared by the threads of a process."""

    def __init__(self) -> None:
        """Begin before the first key."""
        self._lock = threading.Lock()
        self._after = ""

    def after(self) -> str:
        """The key behind which the next claim begins."""
        with self._lock:
            return self._after

    def claimed(self, key: str) -> None:
        """A claim brought a command of this key."""
        with self._lock:
            self._after = key
