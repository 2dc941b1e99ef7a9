"""The periodic jobs of the application, each in a loop of its own."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import psycopg
import structlog

from outbox_worker.application import JobRun
from outbox_worker.maintenance.trouble import FAULTS, Trouble
from outbox_worker.postgres import database
from outbox_worker.timing.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Callable

    from outbox_worker.application import Job
    from outbox_worker.stores import Connection

ROUND_S: Final = 1.0
"""After so long a round ends although there is more: a worker that must stop notices it."""

log = structlog.get_logger("jobs")


def _utc_now() -> datetime:
    return datetime.now(UTC)


class JobLoop:
    """`run_once()` connects, calls the job until nothing is left, and lets go again."""

    def __init__(
        self,
        job: Job,
        url: str,
        topic_prefix: str,
        settings: object,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        """Do `job` in the database at `url`, as late as `clock` says it is."""
        self._job = job
        self._url = url
        self._topic_prefix = topic_prefix
        self._settings = settings
        self._clock = clock
        self._trouble = Trouble(job.name)

    def run_once(self) -> float:
        """One round; seconds until the next."""
        try:
            with database.connect(
                self._url,
                application=f"outbox-worker {self._job.name}",
                options=self._job.options,
            ) as connection:
                pause = self._work(connection)
        except psycopg.errors.InsufficientPrivilege:
            raise
        except FAULTS as error:
            return self._trouble.note(error)
        self._trouble.settle()
        return pause

    def close(self) -> None:
        """Nothing is kept between two rounds."""

    def _work(self, connection: Connection) -> float:
        """Call the job until it has nothing left to do, or time is up."""
        total: Counter[str] = Counter()
        deadline = Deadline(ROUND_S)
        pause = 0.0
        while not deadline.passed:
            run = JobRun(connection, self._clock(), self._topic_prefix, self._settings)
            counts = self._job.run_once(run)
            if not counts:
                pause = self._job.every_s
                break
            total.update(counts)
        if total.total():
            say = log.debug if self._job.is_quiet else log.info
            say("job_done", job=self._job.name, **total)
        return pause
