"""How many commands wait, for the metrics, and whether the schema still fits."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import psycopg
import structlog

from outbox_worker import database, migrations
from outbox_worker.errors import SchemaVersionError, UnreachableError
from outbox_worker.settings import BACKOFF_MAX_S
from outbox_worker.stores import command

if TYPE_CHECKING:
    from outbox_worker.observe.commands import CommandMetrics
    from outbox_worker.observe.health import Health

INTERVAL_S: Final = 5.0
"""How often the queued commands are counted."""

REST: Final = 30
"""How many times as long as a count took to wait with the next: it takes nothing from a backlog."""

OPTIONS: Final = "-c statement_timeout=60s -c jit=off"
TELLER: Final = "commands"

log = structlog.get_logger("commands")


class CommandGauges:
    """`run_once()` connects, counts, and lets go again."""

    def __init__(self, url: str, metrics: CommandMetrics, health: Health) -> None:
        """Count in the database at `url`."""
        self._url = url
        self._metrics = metrics
        self._health = health

    def run_once(self) -> float:
        """One count; seconds until the next."""
        began = time.monotonic()
        try:
            with database.connect(
                self._url, application="outbox-worker gauges", options=OPTIONS
            ) as connection:
                migrations.check(connection)
                self._health.has("schema", TELLER)
                rows = command.list_queued(connection)
        except SchemaVersionError as error:
            self._health.lacks("schema", str(error), TELLER)
            return BACKOFF_MAX_S
        except (psycopg.OperationalError, psycopg.InterfaceError, UnreachableError) as error:
            # The executor says when the database is away; here the next round tries again.
            log.debug("gauges_wait", error=" ".join(str(error).split()))
            return BACKOFF_MAX_S
        self._metrics.queued.set(sum(row.commands for row in rows))
        self._metrics.oldest_seconds.set(max((row.seconds for row in rows), default=0.0))
        return max(INTERVAL_S, REST * (time.monotonic() - began))

    def close(self) -> None:
        """Nothing is kept between two rounds."""
