"""Batches of the table for a cohort: the tail, or the next chunk of a backlog.

No transaction of Postgres is open between two reads, and none while the worker
talks to Kafka.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Final

import psycopg
import structlog

from outbox_worker.errors import ServerError
from outbox_worker.position.row import ID, SHARD, SIZE, EventRow, id_of
from outbox_worker.postgres import database
from outbox_worker.stores import outbox
from outbox_worker.stores.outbox import Limits
from outbox_worker.timing.backoff import Backoff
from outbox_worker.timing.deadline import Deadline
from outbox_worker.timing.outage import Outage

if TYPE_CHECKING:
    from collections.abc import Collection

    from outbox_worker.observe.metrics import RelayMetrics
    from outbox_worker.position.snapshot import Snapshot
    from outbox_worker.relay.batch_size import BatchSize
    from outbox_worker.relay.cohorts import Cohort
    from outbox_worker.relay.dead_letters import Parked
    from outbox_worker.stores import Connection

log = structlog.get_logger("relay")


SWELLS: Final = 16_000_000
"""Bytes of an event after which the connection is replaced: libpq keeps a buffer for the largest
row that it received for as long as the connection lasts."""

SWOLLEN_S: Final = 5.0
"""How long after the last such event: the next one would need the same buffer."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one cohort in id order, and how far they lead.

    They end at the border `upper`, or at the id `cut` on the way there. What is `aside` was read
    as well, and is parked.
    """

    cohort: Cohort
    rows: list[EventRow]
    upper: Snapshot
    cut: int | None
    aside: tuple[Parked, ...] = ()

    @property
    def every(self) -> list[EventRow]:
        """All that were read, in id order."""
        if not self.aside:
            return self.rows
        return sorted([*self.rows, *(each.row for each in self.aside)], key=id_of)

    @property
    def start(self) -> Cohort:
        """The cohort before it with its border fixed: the same rows again, in id order."""
        return replace(self.cohort, upper=self.upper)

    def after(self, floor: int) -> Cohort:
        """The cohort once this batch is published, all ended up to `floor` if it is complete."""
        if self.cut is None:
            return self.cohort.caught_up(self.upper, floor)
        return self.cohort.moved_to(self.upper, self.cut)

    def until(self, first: int) -> Batch:
        """The part of the batch ahead of its row number `first`, where there is something."""
        aside = tuple(each for each in self.aside if each.row[ID] < self.rows[first][ID])
        part = replace(self, rows=self.rows[:first], aside=aside)
        return replace(part, cut=part.every[-1][ID])

    def without(self, shards: Collection[int], cohort: Cohort) -> Batch:
        """The part of it that is of no such shard, as one of `cohort`."""
        rows = [row for row in self.rows if row[SHARD] not in shards]
        aside = tuple(each for each in self.aside if each.row[SHARD] not in shards)
        return replace(self, cohort=cohort, rows=rows, aside=aside)


class Connected(Enum):
    """What came of the look for a connection to the table."""

    STILL = "still"
    """The one of before."""
    ANEW = "anew"
    """Another one, which may lead to another server."""
    AWAY = "away"


class TableReader:
    """The relay's connection to the table, made anew with growing pauses when it is lost."""

    def __init__(self, url: str, size: BatchSize, metrics: RelayMetrics) -> None:
        """Connect to `url` on demand; `size` bounds one batch."""
        self._url = url
        self._size = size
        self._metrics = metrics
        self._connection: Connection | None = None
        self._rest = Deadline(0.0)
        self._backoff = Backoff()
        self._outage = Outage()
        self._swollen: Deadline | None = None

    @property
    def trouble(self) -> str:
        """Why there is no connection; empty where there is one, or none was needed yet."""
        return self._outage.words

    @property
    def limits(self) -> Limits:
        """What the next batch may hold."""
        return self._size.limits

    @property
    def connection(self) -> Connection:
        """The open connection; `psycopg.OperationalError` where there is none."""
        if self._connection is None:
            raise psycopg.OperationalError("the connection to the table is not open")
        return self._connection

    def connect(self) -> Connected:
        """See that there is a connection."""
        if self._connection is not None:
            if self._swollen is None or not self._swollen.passed:
                return Connected.STILL
            self.close()
        if not self._rest.passed:
            return Connected.AWAY
        try:
            self._connection = database.connect(
                self._url, application="outbox-worker relay", options=database.READER_OPTIONS
            )
        except ServerError as error:
            self._fail(error.message)
            return Connected.AWAY
        if over := self._outage.end():
            log.info("database_back", after=over.after, seconds=over.seconds)
            self._metrics.reconnects.labels("postgres").inc()
        self._backoff.reset()
        return Connected.ANEW

    def lose(self, error: Exception) -> None:
        """Give the connection up after `error`; the next `connect` makes a new one."""
        self.close()
        self._fail(error)

    def close(self) -> None:
        """Let go of the connection."""
        connection, self._connection = self._connection, None
        self._swollen = None
        if connection is not None:
            # It may be half dead: what it says when it goes changes nothing.
            with contextlib.suppress(psycopg.Error):
                connection.close()

    def read(self, cohort: Cohort) -> Batch:
        """The next batch of `cohort`; raises psycopg's errors of a lost connection.

        A tail with more than one batch becomes a backlog: its rows are then read
        in id order from the floors on, and the border stays the snapshot that
        showed them.
        """
        most = self.limits
        limits = Limits(min(cohort.rows or most.rows, most.rows), most.bytes)
        with self._metrics.read_seconds.time():
            if cohort.upper is not None:
                return self._read_chunk(cohort, cohort.upper, limits)
            seen = {shard: stand.seen for shard, stand in cohort.stands.items()}
            border, found = outbox.read_tail(self.connection, seen, limits)
            if limits.exceeded_by(found):
                return self._read_chunk(cohort, border, limits)
        found.sort(key=id_of)
        return Batch(cohort, found, border, None)

    def _read_chunk(self, cohort: Cohort, upper: Snapshot, limits: Limits) -> Batch:
        seen = {shard: stand.seen for shard, stand in cohort.stands.items()}
        cursors = {shard: stand.cursor for shard, stand in cohort.stands.items()}
        rows, cut = outbox.read_chunk(self.connection, seen, cursors, upper, limits)
        # One that is larger than a batch comes alone.
        if len(rows) == 1 and rows[0][SIZE] >= SWELLS:
            self._swollen = Deadline(SWOLLEN_S)
        return Batch(cohort, rows, upper, cut)

    def _fail(self, error: Exception | str) -> None:
        if self._outage.begin(error):
            log.warning("database_away", error=self._outage.words)
        self._rest = Deadline(self._backoff.next())
