"""What a worker does beside the relay: the mirror, the ids of topics, partitions, dead letters."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import TYPE_CHECKING, Final

import psycopg
import structlog

from outbox_worker.errors import ServerError
from outbox_worker.maintenance import partitions
from outbox_worker.maintenance.dead_letters import DeadLetterCount
from outbox_worker.maintenance.trouble import FAULTS, Trouble
from outbox_worker.postgres import database
from outbox_worker.published.committed import as_row
from outbox_worker.settings import MIRROR_INTERVAL_S
from outbox_worker.stores import mirror, shard_state, topic
from outbox_worker.stores.shard_state import State
from outbox_worker.timing.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Mapping

    from outbox_worker.observe.dead_letters import DeadLetterNumbers
    from outbox_worker.observe.health import Health
    from outbox_worker.observe.metrics import RelayMetrics
    from outbox_worker.published.committed import CommittedPosition
    from outbox_worker.relay.relay import Relay
    from outbox_worker.settings import Settings
    from outbox_worker.stores import Connection
    from outbox_worker.stores.shard_state import ShardState

PARTITIONS_INTERVAL_S: Final = 3_600.0
"""How often partitions are looked after; a minute after it did not work."""

PARTITIONS_RETRY_S: Final = 60.0

SIGN_S: Final = 5.0
"""How often a worker says at least that it lives: `outbox.lag` takes it for gone after 15 s."""

OPTIONS: Final[Mapping[str, str]] = {
    "lock_timeout": "1s",
    "statement_timeout": "30s",
    "jit": "off",
}
"""Upkeep never makes a writer wait for long."""

log = structlog.get_logger("upkeep")


class Upkeep:
    """`run_once()` every second; a database that is away is waited for."""

    def __init__(
        self,
        settings: Settings,
        owner: str,
        relay: Relay,
        letters: DeadLetterNumbers,
        metrics: RelayMetrics,
        health: Health,
    ) -> None:
        """Write for `owner` what `relay` has committed; show in `letters` what is parked.

        In `metrics` and `health`, what the shards do.
        """
        self._health = health
        self._metrics = metrics
        self._states: dict[int, ShardState] = {}
        self._sign_rest = Deadline(0.0)
        self._settings = settings
        self._owner = owner
        self._relay = relay
        self._connection: Connection | None = None
        self._kept: dict[int, CommittedPosition] = {}
        self._ids: dict[str, str] = {}
        self._partitions_rest = Deadline(0.0)
        self._letters = DeadLetterCount(letters)
        self._trouble = Trouble("positions and partitions")

    def run_once(self) -> float:
        """One round; seconds until the next."""
        states = self._relay.states
        self._show(states)
        try:
            connection = self._connect()
            self._mirror(connection)
            self._keep_states(connection, states)
            self._keep_topics(connection)
            self._relay.sources.refresh(connection)
            if self._partitions_rest.passed:
                self._partitions_rest = Deadline(PARTITIONS_RETRY_S)
                if self._make_partitions(connection):
                    self._partitions_rest = Deadline(PARTITIONS_INTERVAL_S)
            self._letters.refresh(connection)
        except psycopg.errors.InsufficientPrivilege:
            raise
        except FAULTS as error:
            self._disconnect()
            self._states = {}
            return self._trouble.note(error)
        self._trouble.settle()
        return MIRROR_INTERVAL_S

    def close(self) -> None:
        """Write what is left."""
        with contextlib.suppress(psycopg.Error, ServerError):
            self._mirror(self._connect())
            shard_state.stop(self._connect(), self._owner)
        self._disconnect()

    def _connect(self) -> Connection:
        if self._connection is None:
            self._connection = database.connect(
                self._settings.need_database(), application="outbox-worker upkeep", options=OPTIONS
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
            as_row(shard, stored)
            for shard, stored in sorted(now.items())
            if self._kept.get(shard) is not stored
        ]
        if changed:
            mirror.write_positions(connection, self._settings.group, self._owner, changed)
        self._kept = dict(now)

    def _keep_states(self, connection: Connection, now: dict[int, ShardState]) -> None:
        """Write what the shards do, where that is new, and from time to time as a sign of life."""
        if now == self._states and not self._sign_rest.passed:
            return
        if now:
            is_owner = now.keys() <= self._relay.owned
            shard_state.write_states(connection, self._owner, now, is_owner=is_owner)
        self._states, self._sign_rest = now, Deadline(SIGN_S)

    def _show(self, now: Mapping[int, ShardState]) -> None:
        counts = Counter(each.state for each in now.values())
        for state in State:
            self._metrics.shards.labels(state.value).set(counts[state])
        self._health.shards = {state.value: counts[state] for state in State if counts[state]}

    def _keep_topics(self, connection: Connection) -> None:
        """Write the ids of topics that are new to us, so that `verify` tells one made again."""
        now = {name: shape.id for name, shape in self._relay.shapes.items() if shape.id}
        changed = {name: id_ for name, id_ in now.items() if self._ids.get(name) != id_}
        if changed:
            topic.write_topics(connection, changed)
        self._ids = now

    def _make_partitions(self, connection: Connection) -> bool:
        """Make those that are missing; whether the table could be had."""
        try:
            ahead = partitions.run_once(connection)
        except psycopg.errors.LockNotAvailable:
            log.info("partitions_postponed", reason="the table is locked; tried again in a minute")
            return False
        if ahead.made:
            log.info("partitions_created", days=[str(day) for day in ahead.made])
        if ahead.blocked:
            log.warning(
                "events_in_default_partition",
                days=[str(day) for day in ahead.blocked],
                reason="events of these days sit in the default partition",
                hint="nothing is lost; `outbox-worker purge` removes them once they are old",
            )
        return True
