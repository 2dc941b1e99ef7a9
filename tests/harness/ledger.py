"""What the writers of a test wrote: committed, rolled back, or cut off while committing."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Ledger:
    """Event ids by the fate of their transaction, shared by all writers of a workload."""

    def __init__(self) -> None:
        """Begin with nothing written."""
        self._lock = threading.Lock()
        self.committed: set[str] = set()
        self.rolled_back: set[str] = set()
        self.unknown: set[str] = set()

    def commit(self, event_ids: Iterable[str]) -> None:
        """The server said that it committed them."""
        with self._lock:
            self.committed.update(event_ids)

    def roll_back(self, event_ids: Iterable[str]) -> None:
        """They were never committed: rolled back, or the connection went before COMMIT."""
        with self._lock:
            self.rolled_back.update(event_ids)

    def lose_sight(self, event_ids: Iterable[str]) -> None:
        """COMMIT was sent and not answered: the table says what became of them."""
        with self._lock:
            self.unknown.update(event_ids)
