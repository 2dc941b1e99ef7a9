"""What a worker counts in the database now and then, and whether the schema still fits.

A loop of its own: over a backlog of millions a count takes seconds, and nothing
else must wait for it.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import psycopg
import structlog

from outbox_worker.errors import HistoryLostError, SchemaVersionError
from outbox_worker.maintenance.trouble import FAULTS
from outbox_worker.postgres import database, migrations
from outbox_worker.published import witnesses
from outbox_worker.settings import BACKOFF_MAX_S
from outbox_worker.stores import command, lag, size
from outbox_worker.timing.outage import Outage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from prometheus_client import Gauge

    from outbox_worker.observe.commands import CommandMetrics
    from outbox_worker.observe.health import Health
    from outbox_worker.observe.metrics import RelayMetrics
    from outbox_worker.postgres.migrations import Tables
    from outbox_worker.stores import Connection

INTERVAL_S: Final = 5.0
"""How often it is counted."""

REST: Final = 30
"""How many times as long as a count took to wait with the next: it takes nothing from a backlog."""

UNKNOWN_AFTER_S: Final = 30.0
"""For so long a count may fail before its last result says nothing any more: a restart or a
fail-over of Postgres is over by then. One that runs into its time-out has failed for longer."""

OPTIONS: Final[Mapping[str, str]] = {
    "statement_timeout": "60s",
    "jit": "off",
    "enable_seqscan": "off",
}


class Counted(NamedTuple):
    """How many rows wait, and for how many seconds the oldest of them has."""

    rows: float
    seconds: float


UNKNOWN: Final = Counted(math.nan, math.nan)

log = structlog.get_logger("upkeep")


@dataclass(frozen=True, slots=True)
class Subject:
    """What is counted, and where the numbers are shown; `teller` says what of the schema.

    `tables` are those that it needs.
    """

    teller: str
    tables: Sequence[Tables]
    count: Callable[[Connection], Counted]
    rows: Gauge
    seconds: Gauge
    others: Sequence[Gauge] = ()
    """Those that `count` sets itself."""

    def show(self, counted: Counted) -> None:
        """Show these numbers."""
        self.rows.set(counted.rows)
        self.seconds.set(counted.seconds)
        if counted is UNKNOWN:
            for each in self.others:
                each.set(math.nan)


class Gauges:
    """`run_once()` connects, counts, and lets go again."""

    def __init__(
        self, url: str, subject: Subject, health: Health, unknown_after_s: float = UNKNOWN_AFTER_S
    ) -> None:
        """Count in the database at `url`; after so many seconds of failure nothing is known."""
        self._url = url
        self._subject = subject
        self._health = health
        self._outage = Outage(unknown_after_s)
        # Nobody has counted yet: 0 would be a claim.
        subject.show(UNKNOWN)

    def run_once(self) -> float:
        """One count; seconds until the next."""
        began = time.monotonic()
        try:
            with database.connect(
                self._url, application="outbox-worker gauges", options=OPTIONS
            ) as connection:
                migrations.check(connection, self._subject.tables)
                self._health.set_ready("schema", self._subject.teller)
                self._subject.show(self._subject.count(connection))
        except SchemaVersionError as error:
            self._health.set_unready("schema", str(error), self._subject.teller)
            return self._fail(began, error)
        except psycopg.errors.InsufficientPrivilege:
            raise
        except (*FAULTS, HistoryLostError) as error:
            return self._fail(began, error)
        if over := self._outage.end():
            teller = self._subject.teller
            log.info("counts_back", of=teller, after=over.after, seconds=over.seconds)
        return max(INTERVAL_S, REST * (time.monotonic() - began))

    def close(self) -> None:
        """Nothing is kept between two rounds."""

    def _fail(self, began: float, error: Exception) -> float:
        """Say once that nothing is known, and show it, if that lasts; seconds until the next."""
        is_said_now = self._outage.begin(error, tried_at=began)
        # The loops that do the work say when the database is away; here it is tried again.
        log.debug("gauges_wait", error=self._outage.words)
        if is_said_now:
            self._subject.show(UNKNOWN)
            log.warning(
                "counts_absent",
                of=self._subject.teller,
                error=self._outage.words,
                meaning="what waits is not known; its gauges show NaN until it is counted again",
            )
        return BACKOFF_MAX_S


def lag_gauges(
    url: str, metrics: RelayMetrics, health: Health, unknown_after_s: float = UNKNOWN_AFTER_S
) -> Gauges:
    """What is not published yet, as far as the mirror knows."""

    def count(connection: Connection) -> Counted:
        lost = witnesses.invalid_in_mirror(connection)
        if lost:
            raise HistoryLostError(witnesses.in_words(lost))
        rows = lag.list_lag(connection)
        sizes = size.read_sizes(connection)
        metrics.events_bytes.set(sizes.bytes)
        metrics.oldest_partition.set(_or_nan(sizes.oldest_day))
        metrics.last_purge.set(_or_nan(sizes.last_purge))
        return _total((row.events, row.seconds) for row in rows)

    subject = Subject(
        "relay",
        (migrations.ENGINE,),
        count,
        metrics.unpublished,
        metrics.oldest_seconds,
        (metrics.events_bytes, metrics.oldest_partition, metrics.last_purge),
    )
    return Gauges(url, subject, health, unknown_after_s)


def command_gauges(
    url: str, metrics: CommandMetrics, health: Health, tables: Sequence[Tables]
) -> Gauges:
    """How many commands wait, and since when."""

    def count(connection: Connection) -> Counted:
        rows = command.list_queued(connection)
        metrics.set_aside.set(size.count_set_aside(connection))
        return _total((row.commands, row.seconds) for row in rows)

    gauges = metrics.queued, metrics.oldest_seconds, (metrics.set_aside,)
    subject = Subject("commands", tables, count, *gauges)
    return Gauges(url, subject, health)


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _total(given: Iterable[tuple[int, float]]) -> Counted:
    """All of them together."""
    pairs = list(given)
    return Counted(sum(rows for rows, _ in pairs), max((age for _, age in pairs), default=0.0))
