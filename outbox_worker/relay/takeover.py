"""Where shards stand according to Kafka, also when their last owner died in a transaction.

Runs in a thread beside the relay: it may take seconds, and our other shards
keep flowing meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog
from confluent_kafka import KafkaError, KafkaException

from outbox_worker.kafka import brokers
from outbox_worker.kafka.admin import members_of
from outbox_worker.kafka.clients import make_admin
from outbox_worker.kafka.config import Config, reader_config
from outbox_worker.published.committed import CommittedPosition, from_offset
from outbox_worker.published.offsets import PositionReader, held_shards
from outbox_worker.relay.ids import pair_of, worker_of
from outbox_worker.settings import KAFKA_CALL_S

if TYPE_CHECKING:
    from collections.abc import Iterable

    from confluent_kafka import TopicPartition

    from outbox_worker.observe.metrics import RelayMetrics
    from outbox_worker.relay.transaction import Transactions
    from outbox_worker.settings import Settings

STABLE_S: Final = 1.0
"""A stable position is answered in milliseconds; longer means that a transaction holds it."""

FENCE_S: Final = 2.5
"""How long Kafka is given to abort what a worker left open: mostly it takes 0.6 s, and shards that
come to us wait for it."""

TIMED_OUT: Final = KafkaError._TIMED_OUT  # noqa: SLF001  librdkafka's own code

log = structlog.get_logger("relay")


class Takeover:
    """Finds positions; opens the producer first where there is none."""

    def __init__(
        self,
        settings: Settings,
        transactions: Transactions,
        metrics: RelayMetrics,
    ) -> None:
        """Share the relay's producer; positions are asked through a client of its own."""
        self._settings = settings
        self._stable = PositionReader(self._reader_config("read_committed"))
        self._transactions = transactions
        self._metrics = metrics
        self._was_open = False
        self._undecided: set[str] = set()
        self._fenced = frozenset[str]()

    def lookup(self, shards: Iterable[int]) -> dict[int, CommittedPosition | None]:
        """By shard what Kafka holds, None where it holds nothing; `KafkaException` to try again.

        Where an open transaction holds the positions of some, the answer has the others alone.
        """
        wanted = sorted(shards)
        if not self._transactions.is_open:
            self._transactions.open()
            if self._was_open:
                self._metrics.reconnects.labels("kafka").inc()
            self._was_open = True
        try:
            found = self._stable.committed(wanted, STABLE_S)
        except KafkaException as error:
            if error.args[0].code() != TIMED_OUT:
                raise
            held = self._held(wanted)
            if settled := [shard for shard in wanted if held and shard not in held]:
                return self.lookup(settled)
            if held is None or held:
                undecided = self._fence(self._owners(self._unstable(wanted)), wanted)
                if undecided is not None:
                    raise undecided from error
                found = self._stable.committed(wanted, KAFKA_CALL_S)
                return _by_shard(found)
            # No transaction holds them: it is this client that gets no answer.
            self.start_over()
            found = self._stable.committed(wanted, KAFKA_CALL_S)
        self._fence_the_dead(self._owners(found), wanted)
        return _by_shard(found)

    def _held(self, shards: list[int]) -> set[int] | None:
        """Those whose positions a transaction holds; None where that is not told."""
        admin = make_admin(self._settings)
        try:
            return held_shards(admin, self._settings.group, shards)
        except KafkaException:
            return None  # An older broker, or a right that is missing: the fence will tell.

    def _unstable(self, shards: list[int]) -> list[TopicPartition]:
        """The positions as they were before a transaction that is still open."""
        reader = PositionReader(self._reader_config("read_uncommitted"))
        try:
            return reader.committed(shards, KAFKA_CALL_S)
        finally:
            reader.close()

    def _owners(self, places: Iterable[TopicPartition]) -> frozenset[str]:
        """Whom the positions name, ourselves apart."""
        known = {stored.position.owner for place in places if (stored := from_offset(place))}
        return frozenset(known - {self._transactions.ids.owner, ""})

    def _fence_the_dead(self, owners: frozenset[str], shards: list[int]) -> None:
        """Fence last owners that are no members any more.

        One that died before it sent its positions has records in an open transaction
        that the positions do not tell of, and every subscriber waits for its time-out. A
        member that handed a shard over is alive, ended its transaction, and is left alone.
        Where the group does not say who is in it, or Kafka cannot end such a transaction now,
        our shards continue without: Kafka ends it by itself, only later. Its owner is no
        member, so it cannot add positions to it.
        """
        ids = self._transactions.ids
        owners -= ids.left
        self._fenced &= owners
        if not owners:
            return
        try:
            # A client of its own for each question: one from before a restart of the broker
            # was seen to get no answer any more.
            members = members_of(make_admin(self._settings), self._settings.group)
        except KafkaException as error:
            log.warning("members_unknown", error=error.args[0].str())
            return
        us = worker_of(ids.owner)
        gone = {each for each in owners if worker_of(each) == us or worker_of(each) not in members}
        self._fence(frozenset(gone), shards)

    def _fence(self, owners: frozenset[str], shards: list[int]) -> brokers.UndecidedError | None:
        """Abort what these owners left open; each may be a zombie, never a peer at work.

        A live owner has no transaction over a shard that was given to us: it
        ends what is in flight before it lets a shard go. Where Kafka cannot end that of one, the
        others are fenced all the same, and the error is returned.
        """
        undecided = None
        for owner in sorted(owners):
            again = owner in self._undecided or owner in self._fenced
            say = log.debug if again else log.warning
            if owner not in self._transactions.ids.left:
                say("takeover", owner=owner, shards=shards)
            if error := self._end_transactions(owner):
                undecided = error
                self._undecided.add(owner)
                say("takeover_undecided", owner=owner, error=error.args[0].str())
            else:
                self._undecided.discard(owner)
                # A worker that refuses to publish asks again and again, and claims nothing.
                if owner not in self._fenced:
                    self._metrics.takeovers.inc()
                self._fenced |= {owner}
        return undecided

    def _end_transactions(self, owner: str) -> brokers.UndecidedError | None:
        """Abort what may be open under either id of `owner`, but for an id that is ours now."""
        undecided = None
        for name in pair_of(owner):
            if name in self._transactions.ids.pair:
                continue
            try:
                brokers.fence(self._settings, name, FENCE_S)
            except brokers.UndecidedError as error:
                undecided = error
        return undecided

    def start_over(self) -> None:
        """Continue without clients that a call did not return from; they are left as they are."""
        self._stable = PositionReader(self._reader_config("read_committed"))

    def close(self) -> None:
        """Let go of the connections."""
        self._stable.close()

    def _reader_config(self, isolation: str) -> Config:
        return reader_config(self._settings, group=self._settings.group, isolation=isolation)


def _by_shard(places: Iterable[TopicPartition]) -> dict[int, CommittedPosition | None]:
    return {place.partition: from_offset(place) for place in places}
