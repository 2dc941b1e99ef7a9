"""What a worker counts in the database now and then, and whether the schema still fits.

A loop of its own: over a backlog of millions a count takes seconds, and nothing
else must wait for it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import psycopg
import structlog

from outbox_worker import database, migrations
from outbox_worker.errors import SchemaVersionError, UnreachableError
from outbox_worker.settings import BACKOFF_MAX_S
from outbox_worker.stores import command, lag

if TYPE_CHECKING:
    from collections.abc import Callable

    from outbox_worker.database import Connection
    from outbox_worker.observe.commands import CommandMetrics
    from outbox_worker.observe.health import Health
    from outbox_worker.observe.metrics import RelayMetrics

INTERVAL_S: Final = 5.0
"""How often it is counted."""

REST: Final = 30
"""How many times as long as a count took to wait with the next: it takes nothing from a backlog."""

OPTIONS: Final = "-c statement_timeout=60s -c jit=off -c enable_seqscan=off"

log = structlog.get_logger("upkeep")


class Gauges:
    """`run_once()` connects, counts, and lets go again."""

    def __init__(
        self, url: str, teller: str, count: Callable[[Connection], None], health: Health
    ) -> None:
        """Let `count` look at the database at `url`; `teller` is who says what of the schema."""
        self._url = url
        self._teller = teller
        self._count = count
        self._health = health

    def run_once(self) -> float:
        """One count; seconds until the next."""
        began = time.monotonic()
        try:
            with database.connect(
                self._url, application="outbox-worker gauges", options=OPTIONS
            ) as connection:
                migrations.check(connection)
                self._health.has("schema", self._teller)
                self._count(connection)
        except SchemaVersionError as error:
            self._health.lacks("schema", str(error), self._teller)
            return BACKOFF_MAX_S
        except (psycopg.OperationalError, psycopg.InterfaceError, UnreachableError) as error:
            # The loops that do the work say when the database is away; here it is tried again.
            log.debug("gauges_wait", error=" ".join(str(error).split()))
            return BACKOFF_MAX_S
        return max(INTERVAL_S, REST * (time.monotonic() - began))

    def close(self) -> None:
        """Nothing is kept between two rounds."""


def lag_gauges(url: str, metrics: RelayMetrics, health: Health) -> Gauges:
    """What is not published yet, as far as the mirror knows."""

    def count(connection: Connection) -> None:
        rows = lag.list_lag(connection)
        metrics.unpublished.set(sum(row.events for row in rows))
        metrics.oldest_seconds.set(max((row.seconds for row in rows), default=0.0))

    return Gauges(url, "relay", count, health)


def command_gauges(url: str, metrics: CommandMetrics, health: Health) -> Gauges:
    """How many commands wait, and since when."""

    def count(connection: Connection) -> None:
        rows = command.list_queued(connection)
        metrics.queued.set(sum(row.commands for row in rows))
        metrics.oldest_seconds.set(max((row.seconds for row in rows), default=0.0))

    return Gauges(url, "commands", count, health)
