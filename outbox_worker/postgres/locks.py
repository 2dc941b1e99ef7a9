"""Locks of tables that others hold: asked for briefly, again after a pause, and not for ever."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import psycopg

from outbox_worker.errors import WorkFailedError
from outbox_worker.timing.backoff import Backoff
from outbox_worker.timing.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Callable

Done = TypeVar("Done")


@dataclass(frozen=True, slots=True)
class LockRetry:
    """How long `command` tries for a lock, and after which pauses, doubled up to the longest.

    Whoever comes later queues behind a request for a lock: so each one is short (the
    lock_timeout of the session or transaction), and in the pauses all others continue.
    """

    command: str
    first_s: float
    longest_s: float
    seconds: float = 60.0

    def until_free(
        self, what: str, work: Callable[[], Done], deadline: Deadline | None = None
    ) -> Done:
        """What `work` returns, once the locks of `what` were to be had; it is called at least once.

        `WorkFailedError` once the patience is over: at `deadline`, or so many seconds from now.
        """
        deadline = Deadline(self.seconds) if deadline is None else deadline
        backoff = Backoff(self.first_s, self.longest_s)
        while True:
            try:
                return work()
            except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as error:
                if deadline.passed:
                    raise WorkFailedError(
                        f"{what} stays locked by others",
                        "What is done stays done. See pg_stat_activity for a pg_dump or an old "
                        f"transaction (xact_start); run {self.command} again when it has ended",
                    ) from error
            threading.Event().wait(backoff.next())  # nobody tells when a lock is let go
