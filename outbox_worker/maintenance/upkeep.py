"""What a worker does beside the relay: mirror, gauges, partitions ahead."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import psycopg
import structlog

from outbox_worker import database
from outbox_worker.errors import UnreachableError
from outbox_worker.relay.codec import encode
from outbox_worker.settings import BACKOFF_MAX_S, MIRROR_INTERVAL_S
from outbox_worker.stores import mirror
from outbox_worker.stores.mirror import Written

if TYPE_CHECKING:
    from outbox_worker.database import Connection
    from outbox_worker.observe.metrics import RelayMetrics
    from outbox_worker.relay.recovery import Stored
    from outbox_worker.relay.relay import Relay
    from outbox_worker.settings import Settings

log = structlog.get_logger("upkeep")


def written(shard: int, stored: Stored) -> Written:
    """A position as the mirror keeps it."""
    position = stored.position
    backlog = position.backlog
    return Written(
        shard,
        stored.batch,
        encode(position),
        str(position.seen),
        None if backlog is None else str(backlog.upper),
        None if backlog is None else backlog.cursor,
        position.floor,
    )


class Upkeep:
    """`run_once()` every second; a database that is away is waited for."""

    def __init__(self, settings: Settings, owner: str, relay: Relay, metrics: RelayMetrics) -> None:
        """Write for `owner` what `relay` has committed."""
        self._settings = settings
        self._owner = owner
        self._relay = relay
        self._metrics = metrics
        self._connection: Connection | None = None
        self._kept: dict[int, Stored] = {}

    def run_once(self) -> float:
        """One round; seconds until the next."""
        try:
            connection = self._connect()
            self._mirror(connection)
        except (psycopg.OperationalError, psycopg.InterfaceError, UnreachableError) as error:
            log.debug("upkeep_waits", error=str(error))
            self._disconnect()
            return BACKOFF_MAX_S
        return MIRROR_INTERVAL_S

    def close(self) -> None:
        """Write what is left."""
        with contextlib.suppress(psycopg.Error, UnreachableError):
            self._mirror(self._connect())
        self._disconnect()

    def _connect(self) -> Connection:
        if self._connection is None:
            self._connection = database.connect(
                self._settings.need_database(), application="outbox-worker upkeep"
            )
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(psycopg.Error):
                connection.close()

    def _mirror(self, connection: Connection) -> None:
        """Write the positions that changed since the last round."""
        now = self._relay.positions
        changed = [
            written(shard, stored)
            for shard, stored in sorted(now.items())
            if self._kept.get(shard) is not stored
        ]
        if changed:
            mirror.write_positions(connection, self._settings.group, self._owner, changed)
        self._kept = dict(now)
