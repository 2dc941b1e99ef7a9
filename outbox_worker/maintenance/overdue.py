"""Decides for teachers who did not say in time who wrote what."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import psycopg
import structlog

from domain.overdue import Decided, decide_overdue
from outbox_worker.maintenance.trouble import FAULTS, Trouble
from outbox_worker.postgres import database

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from outbox_worker.settings import Settings
    from outbox_worker.stores import Connection

INTERVAL_S: Final = 5.0
"""How often overdue essays are looked for: one look at an index that holds what is undecided."""

ROWS: Final = 200
"""Essays decided in one transaction: a teacher who confirms meanwhile waits for no more."""

ROUND_S: Final = 1.0
"""After so long a round ends although there is more: a worker that is told to stop gets to it."""

OPTIONS: Final[Mapping[str, str]] = {
    "lock_timeout": "5s",
    "statement_timeout": "30s",
    "jit": "off",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
}
"""A few rows are found by their keys. The planner otherwise reads all batches
where it was not told of late how many there are."""

log = structlog.get_logger("overdue")


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Overdue:
    """`run_once()` connects, decides until nothing is overdue, and lets go again."""

    def __init__(
        self, url: str, settings: Settings, clock: Callable[[], datetime] = _utc_now
    ) -> None:
        """Decide in the database at `url` by the settings, as late as `clock` says it is."""
        self._url = url
        self._settings = settings
        self._clock = clock
        self._trouble = Trouble("overdue associations")

    def run_once(self) -> float:
        """One round; seconds until the next."""
        try:
            with database.connect(
                self._url, application="outbox-worker overdue", options=OPTIONS
            ) as connection:
                pause = self._decide(connection)
        except psycopg.errors.InsufficientPrivilege:
            raise
        except FAULTS as error:
            return self._trouble.note(error)
        self._trouble.settle()
        return pause

    def close(self) -> None:
        """Nothing is kept between two rounds."""

    def _decide(self, connection: Connection) -> float:
        """Decide in transactions of a bounded size until nothing is left, or time is up."""
        total = Decided(0, 0, 0)
        deadline = time.monotonic() + ROUND_S
        pause = 0.0
        while time.monotonic() < deadline:
            decided = self._decide_some(connection)
            if decided is None:
                pause = INTERVAL_S
                break
            total += decided
        if total.essays:
            log.info(
                "associations_overdue",
                confirmed=total.confirmed,
                no_student=total.no_student,
                batches_completed=total.completed,
            )
        return pause

    def _decide_some(self, connection: Connection) -> Decided | None:
        return decide_overdue(
            connection,
            timeout=timedelta(hours=self._settings.association_timeout_hours),
            min_score=self._settings.association_min_score,
            now=self._clock(),
            topic_prefix=self._settings.topic_prefix,
            rows=ROWS,
        )
