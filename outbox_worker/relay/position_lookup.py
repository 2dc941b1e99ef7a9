"""Positions that are being asked for, in a thread, while our other shards keep flowing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from confluent_kafka import KafkaError, KafkaException

from outbox_worker.relay.abandonable import AbandonableThread
from outbox_worker.relay.kafka_status import words
from outbox_worker.timing.backoff import Backoff
from outbox_worker.timing.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Future

    from outbox_worker.published.committed import CommittedPosition
    from outbox_worker.relay.kafka_status import KafkaStatus
    from outbox_worker.relay.takeover import Takeover

ANSWER_S: Final = 120.0
"""From when on a question is given up: each call has its own time-out, but librdkafka does not
always return by it, and shards without a position would stand still without a word."""


class PositionLookup:
    """Shards that wait to hear from Kafka where they stand; tried again until it answers."""

    def __init__(self, takeover: Takeover) -> None:
        """Ask through `takeover`, one question at a time."""
        self._takeover = takeover
        self._caller = AbandonableThread("lookup")
        self._wanted: set[int] = set()
        self._again: set[int] = set()
        self._asked: frozenset[int] = frozenset()
        self._answer: Future[dict[int, CommittedPosition | None]] | None = None
        self._rest = self._answer_by = Deadline(0.0)
        self._backoff, self._backoff_again = Backoff(), Backoff()
        self._patience = 0.0

    def want(self, shards: Iterable[int]) -> None:
        """Ask for these shards; an answer that is under way does not count for them."""
        self._wanted |= set(shards)
        self._asked -= self._wanted

    def want_again(self, shards: Iterable[int]) -> None:
        """Ask for these after a transaction failed: at once, from the second time on ever later.

        A refusal that lasts would otherwise be met again within milliseconds, for ever. They
        were served, and go before those that come to us: of these the last owner may be dead,
        and what it left open takes Kafka seconds to end.
        """
        self._again |= set(shards)
        self._asked -= self._again
        if self._patience > self._rest.left:
            self._rest = Deadline(self._patience)
        self._patience = self._backoff_again.next()

    def hurry(self) -> None:
        """Something changed for the better: the next questions are asked at once again."""
        if self._patience:
            self._patience, self._rest = 0.0, Deadline(0.0)
            self._backoff_again.reset()

    def drop(self, shards: Iterable[int]) -> None:
        """They are no longer ours."""
        gone = frozenset(shards)
        self._wanted -= gone
        self._again -= gone
        self._asked -= gone

    def collect(self, complaints: KafkaStatus) -> dict[int, CommittedPosition | None]:
        """What has been answered since; asks what is still wanted.

        `HistoryLostError` where Kafka holds no position of ours, but something else.
        """
        found: dict[int, CommittedPosition | None] = {}
        if self._answer is not None and self._answer_by.passed:
            self._give_up(complaints)
        if self._answer is not None and self._answer.done():
            answer, self._answer = self._answer, None
            found = self._take(answer, complaints)
        next_ones = self._again or self._wanted
        if self._answer is None and next_ones and self._rest.passed:
            self._asked = frozenset(next_ones)
            self._again -= self._asked
            self._wanted -= self._asked
            self._answer = self._caller.submit(self._takeover.lookup, self._asked)
            self._answer_by = Deadline(ANSWER_S)
        return found

    def close(self) -> None:
        """Ask no more; a question under way ends by its own time-out."""
        self._caller.close()
        if self._answer is None or self._answer.done():
            self._takeover.close()

    def _give_up(self, complaints: KafkaStatus) -> None:
        """Continue without a question that does not end."""
        reason = f"NO_ANSWER: librdkafka did not tell positions within {ANSWER_S:.0f} s"
        complaints.note("positions", KafkaError._TIMED_OUT, reason)  # noqa: SLF001  librdkafka's own
        self._answer = None
        self._caller.leave()
        self._takeover.start_over()
        self._postpone()

    def _take(
        self, answer: Future[dict[int, CommittedPosition | None]], complaints: KafkaStatus
    ) -> dict[int, CommittedPosition | None]:
        try:
            found = answer.result()
        except KafkaException as error:
            complaints.note("positions", error.args[0].code(), words(error.args[0]))
            self._postpone()
            return {}
        complaints.settle("positions")
        self._backoff.reset()
        # Of some an open transaction may hold the position: they are asked for again.
        self._wanted |= self._asked - found.keys()
        return {shard: stored for shard, stored in found.items() if shard in self._asked}

    def _postpone(self) -> None:
        self._wanted |= self._asked
        self._rest = Deadline(self._backoff.next())
