"""What an upkeep loop logs when it fails: the working loops continue without it."""

from __future__ import annotations

from typing import Final

import psycopg
import structlog

from outbox_worker.errors import ServerError
from outbox_worker.settings import BACKOFF_MAX_S
from outbox_worker.timing.outage import Outage

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
        self._outage = Outage(ALOUD_AFTER_S)

    def note(self, error: Exception) -> float:
        """It failed; seconds until the next try."""
        if self._outage.begin(error, at_once=not isinstance(error, PASSING)):
            log.warning("upkeep_failed", of=self._of, error=self._outage.words)
        else:
            log.debug("upkeep_waits", of=self._of, error=self._outage.words)
        return BACKOFF_MAX_S

    def settle(self) -> None:
        """It went well."""
        if over := self._outage.end():
            log.info("upkeep_back", of=self._of, after=over.after, seconds=over.seconds)
