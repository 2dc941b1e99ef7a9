"""Many rows removed in short transactions, from the oldest on, until none is left.

Each transaction begins where the one before ended: starting at the oldest again, it
would wade through the dead entries of the index for as long as somebody's old snapshot
keeps them.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import psycopg

from outbox_worker.stores.retention import ClaimedBatch, Parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from outbox_worker.stores import Connection
    from outbox_worker.stores.retention import ClaimedEarly

BEGINNING: Final = datetime.min.replace(tzinfo=UTC)
NO_PARTS: Final = Parts(0, 0, 0, 0)

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


class Step(NamedTuple):
    """One transaction: how many rows went, where the next one begins (None: nowhere)."""

    removed: int
    after: datetime | None
    parts: Parts = NO_PARTS


def sweep(
    connection: Connection,
    what: str,
    left: Callable[[], int],
    step: Callable[[datetime], Step],
    progress: Progress,
    told: Callable[[Step], None],
) -> int:
    """Call `step` in transactions until `left` says 0, or some stay in use for a minute.

    How many those are. `told` hears of each step when it is committed: what was done is
    known also where an error ends the rest.
    """
    pause = PAUSE_S
    waiting = left()
    progress.begin(what, waiting)
    for _ in range(TRIES):
        if not waiting:
            break
        for done in _pass(connection, step):
            told(done)
            progress.advance(done.removed)
        waiting = left()
        if waiting:
            threading.Event().wait(pause)  # nobody tells when a lock is let go
            pause = min(pause * 2, LONGEST_PAUSE_S)
    return waiting


def _pass(connection: Connection, step: Callable[[datetime], Step]) -> Iterable[Step]:
    """Steps from the oldest row to the newest; a lock that is not to be had ends them early."""
    after: datetime | None = BEGINNING
    while after is not None:
        try:
            with connection.transaction():
                done = step(after)
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            return
        yield done
        after = done.after


def after_claim(
    at: datetime, claimed: Sequence[ClaimedBatch] | Sequence[ClaimedEarly], removed: int
) -> datetime | None:
    """Where the next claim begins: at the newest row of this one, unless it led nowhere."""
    if not claimed:
        return None
    last = claimed[-1]
    newest = last.completed_at if isinstance(last, ClaimedBatch) else last.arrived_at
    return newest if removed or newest > at else None


def total(parts: Iterable[Parts]) -> Parts:
    """All of them together."""
    return Parts(*map(sum, zip(NO_PARTS, *parts, strict=True)))
