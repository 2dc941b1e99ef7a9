"""The parts of a relay that reach out, replaced; all that decides is the product's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import psycopg
from prometheus_client import CollectorRegistry
from typing_extensions import override

from outbox_worker.observe.metrics import RelayMetrics
from outbox_worker.position.row import EVENT_ID, ID
from outbox_worker.published.committed import as_offset
from outbox_worker.relay.batch_size import BatchSize
from outbox_worker.relay.claim import Claims
from outbox_worker.relay.creation import Closed
from outbox_worker.relay.dead_letters import DeadLetters
from outbox_worker.relay.group import Changes
from outbox_worker.relay.kafka_status import KafkaStatus
from outbox_worker.relay.park_policy import ParkPolicy
from outbox_worker.relay.position_lookup import PositionLookup
from outbox_worker.relay.reader import Connected, TableReader
from outbox_worker.relay.redrive import Redrive
from outbox_worker.relay.relay import Relay, RelayParts
from outbox_worker.relay.sources import Sources
from outbox_worker.relay.takeover import Takeover
from outbox_worker.relay.transaction import Transactions
from outbox_worker.stores.outbox import Limits
from tests.model.clients import Client, producer_config

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from outbox_worker.position.row import EventRow
    from outbox_worker.published.committed import CommittedPosition
    from outbox_worker.relay.outcome import TransactionOutcome
    from outbox_worker.relay.publisher import Publisher
    from outbox_worker.relay.topics import Topics
    from outbox_worker.settings import Settings
    from tests.model.postgres import Postgres, Row

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

    def close(self) -> None:
        """The history gives the shards to others."""

    def join(self) -> None:
        self.left = False


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
    def connect(self) -> Connected:
        if self._epoch is not None:
            return Connected.STILL
        self._epoch = self._postgres.failovers
        return Connected.ANEW

    @override
    def lose(self, error: Exception) -> None:
        self._epoch = None


class SimulatedTopics:
    """All topics are there; some events are refused for good."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    def closed(self, _names: Iterable[str]) -> dict[str, str]:
        return {}

    def leaderless(self, rows: Iterable[EventRow]) -> dict[int, Closed]:
        poison = self._postgres.poison
        return {row[ID]: Closed("poison", "", "POISON") for row in rows if row[EVENT_ID] in poison}

    def note_failure(self, _code: int, _reason: str) -> None:
        """Topics are as they were."""

    def blame(self, _code: int, _names: Iterable[str]) -> bool:
        return False


class SimulatedPublisher:
    """Calls the product's transactions without a thread, and reads ahead at random."""

    def __init__(self, transactions: Transactions, chance: random.Random, worker: object) -> None:
        self._transactions = transactions
        self._chance = chance
        self._member = cast("bytes", worker)

    def publish(
        self,
        rows: Sequence[Row],
        positions: Mapping[int, CommittedPosition],
        meanwhile: Callable[[], None] | None = None,
        *,
        is_claim: bool = False,
        **_more: float,
    ) -> TransactionOutcome:
        offsets = [as_offset(n, each, is_new=not is_claim) for n, each in positions.items()]
        outcome = self._transactions.produce(rows)
        if outcome is not None:
            return outcome
        if meanwhile is not None and self._chance.random() < 0.5:
            meanwhile()
        return self._transactions.finish(offsets, self._member)

    def close(self) -> None:
        """There is no thread."""


class Worker:
    """One worker process of the model."""

    def __init__(self, postgres: Postgres, client: Client, rows: int, name: str) -> None:
        self.name = name
        self.group = SimulatedGroup()
        reader = SimulatedReader(postgres, rows)
        topics = cast("Topics", SimulatedTopics(postgres))
        transactions = Transactions(producer_config(client, name), Sources("source"), "publish")
        takeover = Takeover(cast("Settings", client), transactions, METRICS)
        publisher = SimulatedPublisher(transactions, client.chance, self)
        dead_letters = DeadLetters(ParkPolicy("park"), lambda: transactions.ids.owner)
        self.relay = Relay(
            cast(
                "RelayParts",
                _Parts(
                    group=self.group,
                    lookups=PositionLookup(takeover),
                    size=reader.size,
                    reader=reader,
                    claims=Claims(
                        "group", lambda: transactions.ids.owner, topics, reader.size, dead_letters
                    ),
                    topics=topics,
                    sources=Sources("source"),
                    transactions=transactions,
                    publisher=publisher,
                    dead_letters=dead_letters,
                    redrive=Redrive(
                        dead_letters, cast("Publisher", publisher), topics, reader.size
                    ),
                    metrics=METRICS,
                ),
            )
        )


class _Parts:
    def __init__(self, **parts: object) -> None:
        self.__dict__.update(parts)
