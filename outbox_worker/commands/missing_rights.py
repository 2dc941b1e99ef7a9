"""Rights that somebody forgot to grant to the executor: each logged once while it is missing."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final, TypeVar

import structlog

from outbox_worker.logs.safe_text import describe
from outbox_worker.postgres.denied import hint

if TYPE_CHECKING:
    from uuid import UUID

    from outbox_worker.stores import Connection
    from outbox_worker.stores.command import Claimed

Known = TypeVar("Known")

FORGET_S: Final = 600.0
"""After so long without a sign of it, a right is a new one that is missing. What lacks it is tried
again every few seconds, by one of perhaps many workers."""

REMEMBERED: Final = 1_000
"""Commands, and messages of Postgres, of which that is known."""

log = structlog.get_logger("commands")


class MissingRights:
    """What the commands of a process lacked, for all its threads."""

    def __init__(self) -> None:
        """Know of none."""
        self._lock = threading.Lock()
        self._seen: dict[str, float] = {}
        self._denied: dict[UUID, str] = {}

    def missed(self, connection: Connection, claimed: Claimed, error: Exception) -> None:
        """A command lacked a right; the first one of each message is logged, with the GRANT."""
        words, now = describe(error), time.monotonic()
        with self._lock:
            last = self._seen.pop(words, None)
            self._seen[words] = now
            self._denied[claimed.command_id] = words
            _forget_oldest(self._seen)
            _forget_oldest(self._denied)
        if last is None or now - last > FORGET_S:
            log.error(
                "right_missing",
                command_id=str(claimed.command_id),
                type=claimed.type,
                error=words,
                hint=hint(connection, words),
            )

    def finished(self, claimed: Claimed) -> None:
        """A command is finished: if it lacked a right, it lacks it no more."""
        if not self._denied:
            return
        with self._lock:
            words = self._denied.pop(claimed.command_id, None)
            was_said = words is not None and self._seen.pop(words, None) is not None
        if was_said:
            log.info("right_back", type=claimed.type, after=words)


def _forget_oldest(known: dict[Known, Any]) -> None:
    if len(known) > REMEMBERED:
        del known[next(iter(known))]
