"""Retention: published days, what the default partition holds of them, old idempotency keys.

An event that is not published is never removed, whatever its age: a day goes
only as a whole, looked at again under the lock that drops it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import psycopg

from outbox_worker.errors import WorkFailedError
from outbox_worker.stores import idempotency, partition

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from outbox_worker.database import Connection

CHUNK_ROWS: Final = 10_000
"""Rows of one DELETE: short transactions, so that nothing waits for them."""

LOCK_TRIES: Final = 40
LOCK_PAUSE_S: Final = 0.05
LONGEST_PAUSE_S: Final = 2.0
"""The lock of a drop is asked for briefly and again, so that writers never queue behind it."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is too old: events and keys from before these moments."""

    events_before: datetime
    keys_before: datetime

    @classmethod
    def of_days(cls, events: int, keys: int, now: datetime | None = None) -> Order:
        """Older than so many days, counted from now."""
        moment = now or datetime.now(UTC)
        return cls(moment - timedelta(days=events), moment - timedelta(days=keys))


@dataclass(frozen=True, slots=True)
class Purged:
    """Counts of what went, or in a dry run would go; `kept` are old days not yet published."""

    days: dict[date, int]
    kept: dict[date, int]
    default_events: int
    keys: int


def run_once(
    connection: Connection, order: Order, say: Callable[[str], None], *, dry_run: bool = False
) -> Purged:
    """Remove what `order` says is old; `say` hears of each step. Interruptible: run it again.

    Raises `WorkFailedError` where the lock of a day could not be had in about a minute.
    """
    days: dict[date, int] = {}
    kept: dict[date, int] = {}
    last = order.events_before.astimezone(UTC).date()
    for day in partition.list_partitions(connection):
        if day >= last:
            break
        say(f"day {day}")
        events, unpublished = partition.count_events(connection, day)
        gone = not unpublished and (dry_run or _drop(connection, day))
        (days if gone else kept)[day] = events
    say("default partition")
    if dry_run:
        default = partition.count_default(connection, order.events_before)
        keys = idempotency.count_keys(connection, order.keys_before)
        return Purged(days, kept, default, keys)
    default = _repeat(lambda n: partition.purge_default(connection, order.events_before, n))
    say("idempotency keys")
    keys = _repeat(lambda n: idempotency.purge_keys(connection, order.keys_before, n))
    return Purged(days, kept, default, keys)


def _repeat(purge: Callable[[int], int]) -> int:
    """Chunk by chunk until one comes back short; how many rows that were in all."""
    total = 0
    while True:
        count = purge(CHUNK_ROWS)
        total += count
        if count < CHUNK_ROWS:
            return total


def _drop(connection: Connection, day: date) -> bool:
    pause = LOCK_PAUSE_S
    for _ in range(LOCK_TRIES):
        try:
            return partition.drop_partition(connection, day)
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            time.sleep(pause)  # noqa: TID251  nobody tells when a lock is let go
            pause = min(pause * 2, LONGEST_PAUSE_S)
    raise WorkFailedError(
        f"The partition of {day} stays locked by others",
        "What is done stays done; run purge again when long transactions have ended",
    )
