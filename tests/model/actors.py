"""The parts of a relay that reach out, replaced; all that decides is the product's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import psycopg
from prometheus_client import CollectorRegistry
from typing_extensions import override

from outbox_worker.observe.metrics import RelayMetrics
from outbox_worker.position.codec import encode
from outbox_worker.relay.batch_size import BatchSize
from outbox_worker.relay.claim import Claims
from outbox_worker.relay.group import Changes
from outbox_worker.relay.kafka_status import KafkaStatus
from outbox_worker.relay.reader import TableReader
from outbox_worker.relay.relay import Parts, Relay
from outbox_worker.relay.transaction import Aborted, Committed, Discarded
from outbox_worker.stores.outbox import Limits

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from outbox_worker.published.committed import CommittedPosition
    from outbox_worker.relay.topics import Topics
    from outbox_worker.relay.transaction import Outcome
    from outbox_worker.stores.outbox import EventRow
    from tests.model.world import Kafka, Postgres, Row

METRICS = RelayMetrics(CollectorRegistry())


class SimulatedGroup:
    """Membership that the history decides about."""

    is_member = True

    def __init__(self) -> None:
        self.complaints = KafkaStatus("group")
        self.owned: set[int] = set()
        self._changes = Changes()
        self.left = False

    def give(self, shards: Iterable[int]) -> None:
        self.owned |= set(shards)
        self._changes.assigned |= set(shards)
        self._changes.rebalanced = True

    def take(self, shards: Iterable[int]) -> None:
        self.owned -= set(shards)
        self._changes.assigned -= set(shards)
        self._changes.revoked |= set(shards)
        self._changes.rebalanced = True

    def poll(self, _timeout: float) -> Changes:
        changes, self._changes = self._changes, Changes()
        return changes

    def leave(self) -> None:
        self.left = True

    def join(self) -> None:
        self.left = False


class SimulatedLookups:
    """Kafka answers with the next poll."""

    def __init__(self, kafka: Kafka) -> None:
        self._kafka = kafka
        self._wanted: set[int] = set()

    def want(self, shards: Iterable[int]) -> None:
        self._wanted |= set(shards)

    want_again = want

    def hurry(self) -> None:
        pass

    def drop(self, shards: Iterable[int]) -> None:
        self._wanted -= set(shards)

    def collect(self, _complaints: KafkaStatus) -> dict[int, CommittedPosition | None]:
        wanted, self._wanted = self._wanted, set()
        return self._kafka.stored(wanted)


class SimulatedReader(TableReader):
    """The product's reader on the simulated table; a fail-over breaks its connection."""

    def __init__(self, postgres: Postgres, rows: int) -> None:
        self.size = BatchSize(Limits(rows, 10**9))
        super().__init__("", self.size, METRICS)
        self._postgres = postgres
        self._epoch: int | None = None

    @property
    @override
    def connection(self) -> Any:
        if self._epoch != self._postgres.failovers:
            raise psycopg.OperationalError("the server went away")
        return self._postgres

    @override
    def connect(self) -> bool | None:
        if self._epoch is not None:
            return False
        self._epoch = self._postgres.failovers
        return True

    @override
    def lose(self, error: Exception) -> None:
        self._epoch = None


class SimulatedTopics:
    """All topics are there."""

    def closed(self, _names: Iterable[str]) -> dict[str, str]:
        return {}

    def leaderless(self, _rows: Iterable[EventRow]) -> dict[int, str]:
        return {}

    def note_failure(self, _code: int, _reason: str) -> None:
        """Topics are as they were."""

    def blame(self, _code: int, _names: Iterable[str]) -> bool:
        return False


class SimulatedPublisher:
    """Transactions with every outcome that there is, and reading ahead at random."""

    def __init__(self, kafka: Kafka, worker: object, chance: random.Random, trouble: float) -> None:
        self._kafka = kafka
        self._worker = worker
        self._chance = chance
        self._trouble = trouble

    def publish(
        self,
        rows: Sequence[Row],
        positions: Mapping[int, CommittedPosition],
        meanwhile: Callable[[], None] | None = None,
        *,
        is_claim: bool = False,
    ) -> Outcome:
        for stored in positions.values():
            encode(stored.position, is_new=not is_claim)
        if meanwhile is not None and self._chance.random() < 0.5:
            meanwhile()
        if any(self._kafka.owners.get(shard) is not self._worker for shard in positions):
            return Aborted("fenced")
        if self._chance.random() >= self._trouble:
            self._kafka.commit(rows, positions)
            return Committed(0.0)
        fault = self._chance.randrange(3)
        if fault == 0:
            return Aborted("refused")
        if fault == 1:
            # It was committed, and nobody heard of it.
            self._kafka.commit(rows, positions)
        return Discarded("unknown")


class Worker:
    """One worker process of the model."""

    def __init__(
        self,
        postgres: Postgres,
        kafka: Kafka,
        publisher: tuple[random.Random, float],
        rows: int,
        name: str,
    ) -> None:
        self.group = SimulatedGroup()
        reader = SimulatedReader(postgres, rows)
        topics = cast("Topics", SimulatedTopics())
        self.relay = Relay(
            cast(
                "Parts",
                _Parts(
                    group=self.group,
                    lookups=SimulatedLookups(kafka),
                    size=reader.size,
                    reader=reader,
                    admission=Claims("group", lambda: name, topics, reader.size),
                    topics=topics,
                    transactions=None,
                    publisher=SimulatedPublisher(kafka, self, *publisher),
                    metrics=METRICS,
                ),
            )
        )


class _Parts:
    def __init__(self, **parts: object) -> None:
        self.__dict__.update(parts)
