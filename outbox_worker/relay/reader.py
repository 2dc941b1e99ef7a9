"""Batches of the table for a cohort: the tail, or the next chunk of a backlog.

No transaction of Postgres is open between two reads, and none while the worker
talks to Kafka.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import TYPE_CHECKING

import psycopg
import structlog

from outbox_worker.errors import ServerError
from outbox_worker.postgres import database
from outbox_worker.safe_text import describe
from outbox_worker.settings import BACKOFF_MAX_S, BACKOFF_MIN_S
from outbox_worker.stores import outbox
from outbox_worker.stores.outbox import Limits

if TYPE_CHECKING:
    from outbox_worker.observe.metrics import RelayMetrics
    from outbox_worker.position.snapshot import Snapshot
    from outbox_worker.relay.batch_size import BatchSize
    from outbox_worker.relay.cohorts import Cohort
    from outbox_worker.stores import Connection
    from outbox_worker.stores.outbox import EventRow

BY_ID = itemgetter(0)

log = structlog.get_logger("relay")


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one cohort in id order, and how far they lead.

    They end at the border `upper`, or at the id `cut` on the way there.
    """

    cohort: Cohort
    rows: list[EventRow]
    upper: Snapshot
    cut: int | None

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
        """The part of the batch ahead of its row number `first` (which is not 0)."""
        return replace(self, rows=self.rows[:first], cut=self.rows[first - 1][0])


class TableReader:
    """The relay's connection to the table, made anew with growing pauses when it is lost."""

    def __init__(self, url: str, size: BatchSize, metrics: RelayMetrics) -> None:
        """Connect to `url` on demand; `size` bounds one batch."""
        self._url = url
        self._size = size
        self._metrics = metrics
        self._connection: Connection | None = None
        self._not_before = 0.0
        self._pause = BACKOFF_MIN_S
        self.trouble = ""

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

    def connect(self) -> bool | None:
        """See that there is a connection: True for a new one, False for the old, None for none."""
        if self._connection is not None:
            return False
        if time.monotonic() < self._not_before:
            return None
        try:
            self._connection = database.connect(
                self._url, application="outbox-worker relay", options=database.READER_OPTIONS
            )
        except ServerError as error:
            self._fail(error.message)
            return None
        if self.trouble:
            log.info("database_back", after=self.trouble)
            self._metrics.reconnects.labels("postgres").inc()
        self.trouble, self._pause = "", BACKOFF_MIN_S
        return True

    def lose(self, error: Exception) -> None:
        """Give the connection up after `error`; the next `connect` makes a new one."""
        self.close()
        self._fail(describe(error))

    def close(self) -> None:
        """Let go of the connection."""
        connection, self._connection = self._connection, None
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
        found.sort(key=BY_ID)
        return Batch(cohort, found, border, None)

    def _read_chunk(self, cohort: Cohort, upper: Snapshot, limits: Limits) -> Batch:
        seen = {shard: stand.seen for shard, stand in cohort.stands.items()}
        cursors = {shard: stand.cursor for shard, stand in cohort.stands.items()}
        rows, cut = outbox.read_chunk(self.connection, seen, cursors, upper, limits)
        return Batch(cohort, rows, upper, cut)

    def _fail(self, words: str) -> None:
        if not self.trouble:
            log.warning("database_away", error=words)
        self.trouble = words
        self._not_before = time.monotonic() + self._pause
        self._pause = min(self._pause * 2, BACKOFF_MAX_S)
