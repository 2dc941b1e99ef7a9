"""Retention: published days, what the default partition holds of them, old idempotency keys.

An event that is not published is never removed, whatever its age: a day goes
only as a whole, looked at again under the lock that drops it. A dead letter about which
nobody has decided keeps its day; once that is gone, its row in the ledger goes, too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import psycopg

from outbox_worker.application.retention import BEGINNING
from outbox_worker.errors import WorkFailedError
from outbox_worker.postgres.locks import LockRetry
from outbox_worker.published import witnesses
from outbox_worker.stores import idempotency, ledger, partition

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from datetime import date

    from outbox_worker.stores import Connection

Bound = TypeVar("Bound")

CHUNK_ROWS: Final = 10_000
"""Rows of one DELETE: short transactions, so that nothing waits for them."""

OPTIONS: Final[Mapping[str, str]] = {
    "lock_timeout": "200ms",
    "statement_timeout": "15min",
    "jit": "off",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_sort": "off",
    "plan_cache_mode": "force_generic_plan",
}
"""A drop asks for its lock briefly, for whoever writes meanwhile queues behind it, and is
refused in another isolation level. The look before it walks, of a shard that nobody serves,
the index of a whole day, in nobody's way: it may take minutes, but not for ever. Rows that go
one chunk after the other are found by their index, also in a table that was never analysed."""

PATIENCE: Final = LockRetry("purge", first_s=0.05, longest_s=2.0)


@dataclass(frozen=True, slots=True)
class EventCutoff:
    """What is too old: events and keys from before these moments."""

    events_before: datetime
    keys_before: datetime

    @classmethod
    def of_days(cls, events: int, keys: int, now: datetime | None = None) -> EventCutoff:
        """Older than so many days, counted from now."""
        moment = now or datetime.now(UTC)
        return cls(moment - timedelta(days=events), moment - timedelta(days=keys))


@dataclass(slots=True)
class Purged:
    """Counts of what went so far, or in a dry run would go.

    `kept` are old days that stay because they are not all published, and `parked` those of them
    that have open dead letters, with their number.
    """

    days: dict[date, int] = field(default_factory=dict)
    kept: dict[date, int] = field(default_factory=dict)
    parked: dict[date, int] = field(default_factory=dict)
    default_events: int = 0
    dead_letters: int = 0
    keys: int = 0


def run_once(
    connection: Connection,
    cutoff: EventCutoff,
    say: Callable[[str], None],
    *,
    dry_run: bool = False,
    patience: LockRetry = PATIENCE,
    done: Purged | None = None,
) -> Purged:
    """Remove what `cutoff` says is old; `say` hears of each step. Interruptible: run it again.

    Needs a connection with `OPTIONS`. The counts grow in `done`, if that is given: they are
    right also where this raises. It does, `WorkFailedError`, where a lock could not be had,
    and, before any event is removed, where the positions are not of the table's history.
    """
    done = Purged() if done is None else done
    purging = _Purging(connection, cutoff, patience, dry_run=dry_run)
    say("idempotency keys")
    for rows in purging.old_keys():
        done.keys += rows
    say("positions")
    purging.refuse_lost_history()
    for day in purging.old_days():
        say(f"day {day}")
        found = purging.day(day)
        if found is not None:
            (done.days if found.is_gone else done.kept)[day] = found.events
            if found.parked:
                done.parked[day] = found.parked
    say("default partition")
    for rows in purging.old_events_of_no_day():
        done.default_events += rows
    say("dead letters")
    for rows in purging.old_dead_letters(done.kept):
        done.dead_letters += rows
    return done


class _Day(NamedTuple):
    """About how many events a day held, and whether they are gone (in a dry run: would be).

    `parked` of them are dead letters that keep the day.
    """

    events: int
    is_gone: bool
    parked: int = 0


class _Purging:
    """The steps of one run. Each asks for its locks again until they are to be had."""

    def __init__(
        self, connection: Connection, cutoff: EventCutoff, patience: LockRetry, *, dry_run: bool
    ) -> None:
        self._connection = connection
        self._cutoff = cutoff
        self._patience = patience
        self._dry_run = dry_run

    def old_keys(self) -> Iterator[int]:
        """Chunks of old idempotency keys: they hang on no position."""
        before = self._cutoff.keys_before
        for count, purge in (
            (idempotency.count_keys, idempotency.purge_keys),
            (idempotency.count_unowned_keys, idempotency.purge_unowned_keys),
        ):
            yield from self._rows(
                "The table of idempotency keys",
                partial(count, self._connection, before),
                partial(purge, self._connection, before=before, rows=CHUNK_ROWS),
                BEGINNING,
            )

    def refuse_lost_history(self) -> None:
        """End here where the mirror says nothing about this table, whatever its age."""
        self._patience.until_free("The table of events", self._trust_positions)

    def _trust_positions(self) -> None:
        """Asked again before each step: a worker writes the mirror once a second."""
        lost = witnesses.invalid_in_mirror(self._connection)
        if lost:
            raise WorkFailedError(
                f"{witnesses.in_words(lost)}; no event is removed while it is not known "
                "which are published",
                f"Stop the workers, then {witnesses.HINT}; then run purge again",
            )

    def old_days(self) -> list[date]:
        """The days that have a partition and are old enough."""
        last = self._cutoff.events_before.astimezone(UTC).date()
        return [day for day in partition.list_partitions(self._connection) if day < last]

    def day(self, day: date) -> _Day | None:
        """Drop it if all of it is published; None where another purge dropped it meanwhile."""
        try:
            return self._patience.until_free(
                f"The partition of {day}", partial(self._drop_if_published, day)
            )
        except psycopg.errors.UndefinedTable:
            if day in partition.list_partitions(self._connection):
                raise
            return None

    def _drop_if_published(self, day: date) -> _Day:
        self._trust_positions()
        events, unpublished = partition.count_events(self._connection, day)
        if unpublished:
            return _Day(events, is_gone=False, parked=ledger.count_day(self._connection, day))
        return _Day(events, self._dry_run or partition.drop_partition(self._connection, day))

    def old_events_of_no_day(self) -> Iterator[int]:
        """Chunks of old published events that have no day of their own."""
        before = self._cutoff.events_before

        def delete(after: int) -> tuple[int, int | None]:
            self._trust_positions()
            return partition.purge_default(self._connection, after, before, CHUNK_ROWS)

        count = partial(partition.count_default, self._connection, before)
        return self._rows("The default partition", count, delete, 0)

    def old_dead_letters(self, kept: Collection[date]) -> Iterator[int]:
        """Chunks of the ledger that was decided, of events that are gone."""
        before = self._cutoff.events_before
        return self._rows(
            "The ledger of dead letters",
            partial(ledger.count_decided, self._connection, before, kept),
            partial(ledger.purge_decided, self._connection, before=before, rows=CHUNK_ROWS),
            0,
        )

    def _rows(
        self,
        what: str,
        count: Callable[[], int],
        purge: Callable[[Bound], tuple[int, Bound | None]],
        after: Bound,
    ) -> Iterator[int]:
        """Chunk by chunk until one comes back short; how many rows each had.

        Each begins `after` the one before, for the reason that stands in `sweep`.
        """
        if self._dry_run:
            yield self._patience.until_free(what, count)
            return
        chunk, last = CHUNK_ROWS, None
        while chunk == CHUNK_ROWS:
            chunk, last = self._patience.until_free(what, partial(purge, last or after))
            yield chunk
