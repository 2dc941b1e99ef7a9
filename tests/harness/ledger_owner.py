"""A worker that owns the ledger of dead letters, step by step, and a Kafka as its test wants it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast
from unittest.mock import Mock

from outbox_worker.position.position import Position
from outbox_worker.position.row import EVENT_ID, ID, TOPIC
from outbox_worker.position.snapshot import Snapshot
from outbox_worker.published.committed import CommittedPosition, as_offset
from outbox_worker.relay import redrive
from outbox_worker.relay.batch_size import BatchSize
from outbox_worker.relay.creation import Closed
from outbox_worker.relay.dead_letters import DeadLetters
from outbox_worker.relay.outcome import Committed, Interrupted
from outbox_worker.relay.park_policy import ParkPolicy
from outbox_worker.relay.redrive import Redrive
from outbox_worker.stores.outbox import Limits

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pytest

    from outbox_worker.position.row import EventRow
    from outbox_worker.relay.cohorts import Cohorts
    from outbox_worker.relay.outcome import TransactionOutcome
    from outbox_worker.relay.publisher import Publisher
    from outbox_worker.relay.topics import Topics
    from outbox_worker.stores import Connection


@dataclass
class Kafka:
    """Takes records, but for topics that are closed, or is away for some transactions."""

    closed_topics: set[str] = field(default_factory=set)
    leaderless_topics: set[str] = field(default_factory=set)
    away: int = 0
    taken: list[str] = field(default_factory=list)

    def publish(
        self, rows: Sequence[EventRow], positions: Mapping[int, CommittedPosition], **_given: bool
    ) -> TransactionOutcome:
        """As a publisher."""
        for shard, position in positions.items():
            as_offset(shard, position)
        if self.away:
            self.away -= 1
            return Interrupted("away")
        self.taken += [row[EVENT_ID] for row in rows]
        return Committed(0.0)

    def closed(self, names: set[str]) -> dict[str, Closed]:
        """As topics."""
        why = Closed("the topic does not exist", "create it")
        return dict.fromkeys(self.closed_topics & names, why)

    def leaderless(self, rows: Iterable[EventRow]) -> dict[int, Closed]:
        """As topics, of which the partitions of some have no leader."""
        why = Closed("its partition has no leader", "wait")
        return {row[ID]: why for row in rows if row[TOPIC] in self.leaderless_topics}


def without_pauses(monkeypatch: pytest.MonkeyPatch) -> Kafka:
    """One that takes all, and nothing is waited for."""
    monkeypatch.setattr(redrive, "LOOK_S", 0.0)
    monkeypatch.setattr(redrive, "AGAIN_S", 0.0)
    return Kafka()


class Owner:
    """What a worker that owns all shards does about dead letters, step by step."""

    def __init__(self, connection: Connection, kafka: Kafka) -> None:
        self.connection = connection
        ((snapshot,),) = connection.execute("SELECT pg_current_snapshot()::text").fetchall()
        position = Position(b"syst", "w", Snapshot.parse(snapshot))
        self.committed = {shard: CommittedPosition(1, position) for shard in range(16)}
        self.dead_letters = DeadLetters(ParkPolicy("park"), lambda: "w")
        self.redrive = Redrive(
            self.dead_letters,
            cast("Publisher", kafka),
            cast("Topics", kafka),
            BatchSize(Limits(500, 10**7)),
        )
        self.dead_letters.enter(connection, self.committed)
        assert self.dead_letters.own(connection, self.committed)

    def look(self) -> None:
        """Ask what people want."""
        cohorts = cast("Cohorts", Mock())
        self.redrive.look(self.connection, cohorts, self.committed)

    def step(self) -> TransactionOutcome | None:
        """Redrive some events of one order."""
        return self.redrive.run_once(self.connection, self.committed)

    def run(self, steps: int) -> None:
        """Ask, then so many steps."""
        self.look()
        for _ in range(steps):
            self.step()
