"""Many rows removed in short transactions, from the oldest on, until none is left.

Each transaction begins where the one before ended: starting at the oldest again, it
would wade through the dead entries of the index for as long as somebody's old snapshot
keeps them.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final, Protocol

import psycopg

from outbox_worker.application import Span
from outbox_worker.application.retention import BEGINNING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from outbox_worker.application import Step, Sweep
    from outbox_worker.stores import Connection

TRIES: Final = 40
PAUSE_S: Final = 0.05
LONGEST_PAUSE_S: Final = 2.0
"""What is in use is asked for again, for about a minute in all."""


class Progress(Protocol):
    """Hears how far the work is."""

    def begin(self, what: str, total: int) -> None:
        """Some work of `total` rows begins."""

    def advance(self, rows: int) -> None:
        """So many rows more are gone."""


def sweep(
    connection: Connection,
    what: Sweep,
    before: datetime,
    progress: Progress,
    told: Callable[[Step], None],
) -> int:
    """Remove what is older than `before`, until none is left or some stay in use for a minute.

    How many those are. `told` hears of each step when it is committed: what was done is
    known also where an error ends the rest.
    """
    pause = PAUSE_S
    waiting = what.left(connection, before)
    progress.begin(what.what, waiting)
    for _ in range(TRIES):
        if not waiting:
            break
        for done in _pass(connection, what, before):
            told(done)
            progress.advance(done.removed)
        waiting = what.left(connection, before)
        if waiting:
            threading.Event().wait(pause)  # nobody tells when a lock is let go
            pause = min(pause * 2, LONGEST_PAUSE_S)
    return waiting


def _pass(connection: Connection, what: Sweep, before: datetime) -> Iterable[Step]:
    """Steps from the oldest row to the newest; a lock that is not to be had ends them early."""
    after: datetime | None = BEGINNING
    while after is not None:
        try:
            with connection.transaction():
                done = what.step(connection, Span(after, before))
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            return
        yield done
        after = done.after
