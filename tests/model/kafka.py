"""A Kafka small enough to be random: transactional ids, the positions of the group, who is in it.

It promises what brokers promise to clients without KIP-890, and no more. A transaction is
decided once, by its producer, by the next one of its id, or by its time-out. It ends when every
partition that it wrote to has heard of that, and one without a leader may hear much later. Until
then its id begins no other one, and until the partition of the positions has heard of it,
its positions are pending. A request that nobody waits for any more may still come.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import OFFSET_INVALID, TopicPartition

from outbox_worker.position.codec import encode
from outbox_worker.published.committed import from_offset
from outbox_worker.settings import ANCHOR_TOPIC

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable, Mapping, Sequence

Row = tuple[Any, ...]

HANGS: Final = 0.05
"""How often the end of a transaction does not reach every partition, where there is trouble."""


class FencedError(Exception):
    """A newer producer of the same id has begun."""


class NoAnswerError(Exception):
    """The coordinator of the id is away, or its last transaction is not ended everywhere."""


class RefusedError(Exception):
    """The positions are of one to whom the shards are no longer given."""


@dataclass(eq=False)
class Transaction:
    """One of a transactional id, until every partition has heard how it ended."""

    rows: list[Row] = field(default_factory=list)
    positions: dict[int, tuple[int, TopicPartition]] = field(default_factory=dict)
    is_committed: bool | None = None
    """None until it is decided."""


class Kafka:
    """Records and positions that are committed together, or not at all."""

    def __init__(self, chance: random.Random, written: Mapping[str, Row], hangs: float) -> None:
        """Begin empty; a record stands for the row of its event in `written`."""
        self.owners: dict[int, object] = {}
        self.members: set[str] = set()
        self.late: list[tuple[str, Callable[[], None]]] = []
        """By transactional id, requests that are on their way and that nobody waits for."""
        self.away: set[str] = set()
        """Transactional ids whose coordinator nobody reaches."""
        self.published = 0
        self._chance = chance
        self._written = written
        self._hangs = hangs
        self._log: list[tuple[Row, Transaction]] = []
        self._committed: dict[int, tuple[int, TopicPartition]] = {}
        self._epochs: dict[str, int] = {}
        self._current: dict[str, Transaction] = {}
        self._orders = 0

    # What subscribers and upkeep see.

    @property
    def log(self) -> list[Row]:
        """What a subscriber reads in the end: rows in the order in which they were written."""
        return [row for row, transaction in self._log if transaction.is_committed]

    @property
    def positions(self) -> dict[int, tuple[int, str]]:
        """The committed positions with their counters, as the mirror keeps them."""
        found = {shard: from_offset(place) for shard, (_, place) in self._committed.items()}
        return {
            shard: (stored.batch, encode(stored.position))
            for shard, stored in found.items()
            if stored is not None
        }

    # What the clients of the relay ask.

    def begin(self, name: str) -> int:
        """Let a producer of this id in: its epoch. Fences older ones, and aborts what is open."""
        self._reach(name)
        transaction = self._current.get(name)
        if transaction is not None and transaction.is_committed is None:
            self._fence(name)
            self._decide(name, commit=False)
        if name in self._current:
            raise NoAnswerError
        return self._fence(name)

    def write(self, name: str, epoch: int, event_id: str) -> None:
        """A record of the transaction that is open, or begins with it."""
        row = self._written[event_id]
        transaction = self._open(name, epoch)
        transaction.rows.append(row)
        self._log.append((row, transaction))

    def hold(self, name: str, epoch: int, member: object, places: Sequence[TopicPartition]) -> None:
        """Take positions into the transaction; they are pending from now on."""
        transaction = self._open(name, epoch)
        if any(self.owners.get(place.partition) is not member for place in places):
            raise RefusedError
        self._orders += 1
        transaction.positions.update((each.partition, (self._orders, each)) for each in places)

    def end(self, name: str, epoch: int, *, commit: bool) -> None:
        """The producer's own word on its transaction."""
        if self._open(name, epoch).is_committed is None:
            self._decide(name, commit=commit)

    def stable(self, shards: Iterable[int]) -> list[TopicPartition] | None:
        """Positions that no transaction may move any more; None while one may."""
        wanted = list(shards)
        return None if self.held(wanted) else self.unstable(wanted)

    def unstable(self, shards: Iterable[int]) -> list[TopicPartition]:
        """Positions as they are, whatever transactions hold."""
        nothing = (0, TopicPartition(ANCHOR_TOPIC, 0, OFFSET_INVALID))
        found = ((shard, self._committed.get(shard, nothing)[1]) for shard in shards)
        return [TopicPartition(ANCHOR_TOPIC, n, at.offset, at.metadata or "") for n, at in found]

    def held(self, shards: Iterable[int]) -> set[int]:
        """Those of the shards whose positions are pending."""
        pending = set[int]().union(*(each.positions for each in self._current.values()))
        return pending & set(shards)

    # What continues by itself.

    def arrive(self) -> None:
        """Some request comes that nobody waits for."""
        at = self._chance.randrange(len(self.late))
        name, request = self.late[at]
        if name not in self.away:
            del self.late[at]
            request()

    def mend(self) -> None:
        """Something that was away is back, a partition hears of an end, or a time runs out."""
        names = sorted(self.away | self._current.keys())
        if names:
            self._mend(self._chance.choice(names))

    def mend_all(self) -> None:
        """Nothing is in the way of what continues by itself."""
        while self.late and self._chance.random() < 0.5:
            self.away.clear()
            self.arrive()
        self.late.clear()
        for name in sorted(self.away | self._current.keys()):
            while name in self.away or name in self._current:
                self._mend(name)

    def _mend(self, name: str) -> None:
        transaction = self._current.get(name)
        if name in self.away:
            self.away.discard(name)
        elif transaction is not None and transaction.is_committed is None:
            self._fence(name)
            self._decide(name, commit=False)
        elif transaction is not None:
            self._tell_positions(transaction)
            del self._current[name]

    def _reach(self, name: str) -> None:
        if name in self.away:
            raise NoAnswerError

    def _fence(self, name: str) -> int:
        self._epochs[name] = self._epochs.get(name, 0) + 1
        return self._epochs[name]

    def _open(self, name: str, epoch: int) -> Transaction:
        """The transaction that this producer may still add to."""
        self._reach(name)
        if self._epochs[name] != epoch:
            raise FencedError
        transaction = self._current.setdefault(name, Transaction())
        if transaction.is_committed is not None:
            raise NoAnswerError
        return transaction

    def _decide(self, name: str, *, commit: bool) -> None:
        transaction = self._current[name]
        transaction.is_committed = commit
        if commit:
            self.published += len(transaction.rows)
        if self._chance.random() >= self._hangs:
            self._tell_positions(transaction)
            del self._current[name]
        elif self._chance.random() < 0.5:
            self._tell_positions(transaction)

    def _tell_positions(self, transaction: Transaction) -> None:
        """The partition of the positions hears of the end; of two the later one counts."""
        if transaction.is_committed:
            for shard, (order, place) in transaction.positions.items():
                if order > self._committed.get(shard, (0, place))[0]:
                    self._committed[shard] = order, place
        transaction.positions.clear()
