"""What a worker may say and count because the machine stood still, and only then."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from outbox_worker.settings import SESSION_TIMEOUT_MS
from tests.harness.control import Control

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SESSION_S: Final = SESSION_TIMEOUT_MS / 1000
"""The shortest time after which Kafka or Postgres gives a silent worker up, or it one of them."""

CALM_S: Final = SESSION_S / 3
"""Who lost less within such a time has not lost its session by that."""

EVENTS: Final = frozenset(
    # The group expelled a member: shards move, transactions abort.
    {"no_shards", "shards_assigned", "asking_kafka", "transaction_interrupted", "takeover"}
    | {"members_unknown", "positions_from_mirror"}
    # A server did not answer in time, and did later.
    | {"kafka_trouble", "kafka_away", "kafka_back", "database_away", "database_back"}
    | {"counts_absent", "counts_back", "numbers_absent", "numbers_back"}
    | {"upkeep_failed", "upkeep_back", "instance_lock_lost", "instance_lock_back"}
)


class Calm:
    """Whether the machine went on all the time since the beginning."""

    def __init__(self, control: Control) -> None:
        """Begin now."""
        self._control = control
        self._since = time.monotonic()

    @property
    def lost_s(self) -> float:
        """Seconds that the machine lost until now."""
        return self._control.lost(self._since, time.monotonic())

    def __bool__(self) -> bool:
        """Until now it has. A worker that was disturbed nevertheless has no excuse."""
        most = self._control.most_lost(SESSION_S, self._since, time.monotonic())
        return most < CALM_S

    def unexplained(self, lines: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """The lines of a log, without those that a standstill of the machine explains."""
        if self:
            return list(lines)
        return [line for line in lines if line.get("event") not in EVENTS]


@contextmanager
def watched(url: str) -> Iterator[Calm]:
    """The calm of the block, beside which a control beats in the database at `url`."""
    with Control(url) as control:
        yield Calm(control)
