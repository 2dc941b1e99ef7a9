"""What an upkeep loop logs when it fails: the working loops continue without it."""

from __future__ import annotations

import time
from typing import Final

import psycopg
import structlog

from outbox_worker.errors import ServerError
from outbox_worker.safe_text import describe
from outbox_worker.settings import BACKOFF_MAX_S

ALOUD_AFTER_S: Final = 60.0
"""A restart or a fail-over of Postgres is over by then, and other loops have told of it."""

PASSING: Final = (psycopg.OperationalError, psycopg.InterfaceError, ServerError)
"""A server that is away, a lock that was not had, a statement that took too long."""

FAULTS: Final = (psycopg.Error, ServerError)
"""After these it is tried again: no reason to end a worker that publishes and executes."""

log = structlog.get_logger("upkeep")


class Trouble:
    """Told once while it lasts: at once where it does not look as if it passed by itself."""

    def __init__(self, of: str) -> None:
        """`of` names what is tended to."""
        self._of = of
        self._since: float | None = None
        self._is_told = False

    def note(self, error: Exception) -> float:
        """It failed; seconds until the next try."""
        now = time.monotonic()
        words = describe(error)
        self._since = now if self._since is None else self._since
        lasts = not isinstance(error, PASSING) or now - self._since >= ALOUD_AFTER_S
        if lasts and not self._is_told:
            self._is_told = True
            log.warning("upkeep_failed", of=self._of, error=words)
        else:
            log.debug("upkeep_waits", of=self._of, error=words)
        return BACKOFF_MAX_S

    def settle(self) -> None:
        """It went well."""
        if self._is_told:
            log.info("upkeep_back", of=self._of)
        self._since, self._is_told = None, False
