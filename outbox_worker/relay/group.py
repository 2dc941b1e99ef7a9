"""Membership in the group of workers: Kafka says which shards are ours, and when no longer.

The anchor topic's partitions are assigned at their end and paused: nothing is
ever fetched. For one thread only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import structlog
from confluent_kafka import (
    OFFSET_END,
    Consumer,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from outbox_worker.errors import StuckError
from outbox_worker.kafka import brokers, rights
from outbox_worker.kafka.admin import METADATA_S
from outbox_worker.kafka.clients import make_consumer
from outbox_worker.relay.anchor_watch import Anchor
from outbox_worker.relay.kafka_status import KafkaStatus, words
from outbox_worker.relay.leaders import Leaders
from outbox_worker.settings import ANCHOR_TOPIC
from outbox_worker.timing.deadline import Deadline

if TYPE_CHECKING:
    from outbox_worker.kafka.config import Config
    from outbox_worker.relay.kafka_status import Subject

MEMBER_MARK: Final = b"CGMDv2:"
"""librdkafka's serialized group metadata: this mark, then the generation in four bytes."""

GENERATION: Final = slice(len(MEMBER_MARK), len(MEMBER_MARK) + 4)

ASK_S: Final = 0.5
ASK_AGAIN_S: Final = 2.0
"""After an error of a broker: how long, and how often, it is asked whether that is over."""

DEAF_S: Final = 10.0
"""After so long without an answer, and as often, another client asks the same. Where that one is
answered, it takes the place of the member: librdkafka (2.13 and newer, issue 5301) forgets
all brokers, for good, over an answer that names none, as a broker gives that has just started."""

MOST_REPLACED: Final = 8
"""Members that may be kept like that: each has threads and buffers of its own."""

log = structlog.get_logger("group")


@dataclass(slots=True)
class Changes:
    """What a poll of the group brought: shards that came, shards that went."""

    assigned: set[int] = field(default_factory=set)
    revoked: set[int] = field(default_factory=set)
    rebalanced: bool = False


class Group:
    """Our membership. `join()`, then `poll()` at least once a minute, then `close()`."""

    def __init__(self, config: Config) -> None:
        """Take librdkafka's configuration of the member."""
        self._config = {**config, "error_cb": self._note_error}
        self._consumer: Consumer = make_consumer(self._config)
        self._anchor = Anchor(self._consumer)
        self._owned: set[int] = set()
        self._changes = Changes()
        self._assigned = False
        self._rest = Deadline(0.0)
        self._deaf: Deadline | None = None
        self._wants_shards = False
        self._replaced: list[Consumer] = []
        self.complaints = KafkaStatus(config["group.id"])
        """What is wrong with Kafka, as the member notices it and as others of the relay do."""
        self.leaders = Leaders()
        """Which partitions of events' topics have no leader, as metadata said last."""

    @property
    def owned(self) -> frozenset[int]:
        """The shards that are ours as of the last poll."""
        return frozenset(self._owned)

    @property
    def is_member(self) -> bool:
        """Whether the broker has given us a share, be it an empty one."""
        return self._assigned

    @property
    def member_id(self) -> str:
        """The id that the broker gave us; empty while we are no member."""
        return self._consumer.memberid() or ""

    def join(self) -> None:
        """Ask for a share of the shards; they come with a later poll."""
        self._wants_shards = True
        self._consumer.subscribe(
            [ANCHOR_TOPIC],
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_lost,
        )

    def leave(self) -> None:
        """Give all shards back and stay out until the next `join`."""
        self._wants_shards = False
        self._forsake()

    def poll(self, timeout: float) -> Changes:
        """Serve the group, waiting up to `timeout` seconds for something to happen.

        `SettingsError` where the topic of the shards is gone, or has too few partitions or many,
        `BrokerLimitError` where Kafka takes none of our session time-outs, `StuckError` where one
        member after the other gets no answer.
        """
        message = self._consumer.poll(timeout)
        fault = message.error() if message is not None else None
        if fault is not None and fault.code() == KafkaError.INVALID_SESSION_TIMEOUT:
            self._lengthen_session()
        elif fault is not None:
            self._note_error(fault)
        elif "broker" in self.complaints and self._rest.passed:
            self._ask_whether_over()
        changes, self._changes = self._changes, Changes()
        if changes.rebalanced:
            self._say_assignment()
            self._anchor.doubt()
        self._anchor.look()
        return changes

    def note_failure(self, code: int, reason: str) -> None:
        """A transaction came to nothing; it may have been for want of a partition of the shards."""
        self.complaints.note_refusal("transaction", code, reason)
        if code == KafkaError.UNKNOWN_TOPIC_OR_PART:
            self._anchor.doubt()

    def member(self) -> bytes | None:
        """What fences us out of a commit once we are no member any more; None while we are none.

        A commit without member and generation would pass the broker unchecked
        (it takes it for a client from before KIP-447): it must never be sent.
        """
        member = bytes(self._consumer.consumer_group_metadata())
        if not member.startswith(MEMBER_MARK) or not self.member_id:
            return None
        generation = int.from_bytes(member[GENERATION], byteorder="little", signed=True)
        return member if generation >= 0 else None

    def topic_fault(self, topic: str) -> KafkaError | None:
        """Why `topic` takes no events, None where it does; `KafkaException` without an answer.

        `leaders` knows afterwards which of its partitions have none.
        """
        found = self._consumer.list_topics(topic, timeout=METADATA_S).topics[topic]
        fault: KafkaError | None = found.error
        if fault is None:
            parts = found.partitions
            in_sync = {
                n: len(each.isrs)
                for n, each in parts.items()
                if len(each.isrs) < len(each.replicas)
            }
            missing = [n for n in parts if parts[n].leader < 0]
            self.leaders.note(topic, len(parts), missing, in_sync)
        else:
            self.leaders.forget(topic)
        return fault

    def close(self) -> None:
        """Leave the group, so that others need not wait for our session to end."""
        self._consumer.close()
        self._owned.clear()

    def _lengthen_session(self) -> None:
        """Join with a longer session, as another member: Kafka does not take one as short as ours.

        It never let this one in, so that nothing is lost with it.
        """
        milliseconds = brokers.longer_session(self._config)
        self._config["session.timeout.ms"] = milliseconds
        self._consumer.close()
        self._consumer = make_consumer(self._config)
        self._anchor = Anchor(self._consumer)
        self.join()

    def _forsake(self) -> None:
        """Out of the group: what was ours is another's now."""
        self._consumer.unsubscribe()
        self._assigned = False
        self._changes.revoked |= self._owned
        self._owned.clear()

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        places = [TopicPartition(ANCHOR_TOPIC, each.partition, OFFSET_END) for each in partitions]
        consumer.incremental_assign(places)
        if places:
            consumer.pause(places)
        came = {each.partition for each in partitions}
        self._owned |= came
        self._changes.assigned |= came
        self._changes.rebalanced = True
        self._assigned = True
        self.complaints.settle()

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        consumer.incremental_unassign(partitions)
        went = {each.partition for each in partitions}
        self._owned -= went
        self._changes.assigned -= went
        self._changes.revoked |= went
        self._changes.rebalanced = True

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Kafka counts us out: librdkafka joins again by itself, if it is let in."""
        self._on_revoke(consumer, partitions)
        self._assigned = False

    def _say_assignment(self) -> None:
        if self._owned:
            log.info("shards_assigned", shards=sorted(self._owned))
        elif self._assigned:
            log.info("no_shards", reason="all 16 shards are with other workers; standing by")
        else:
            log.info("no_shards", reason="the group lost this worker; joining again")

    def _note_error(self, fault: KafkaError) -> None:
        """An answer of a broker ends most errors; that a right was granted only a membership tells.

        librdkafka repeats an error in turn with others while it lasts, or never.
        """
        subject: Subject = "membership" if fault.code() in rights.REFUSALS else "broker"
        self.complaints.note(subject, fault.code(), words(fault))
        self._rest = Deadline(ASK_AGAIN_S)

    def _ask_whether_over(self) -> None:
        """Ask a broker: librdkafka tells of errors, not of their end."""
        try:
            self._consumer.list_topics(ANCHOR_TOPIC, timeout=ASK_S)
        except KafkaException:
            self._rest = Deadline(ASK_AGAIN_S)
            self._deaf = self._deaf or Deadline(DEAF_S)
            if self._deaf.passed:
                self._deaf = None
                self._replace_deaf()
        else:
            self._deaf = None
            self.complaints.settle("broker")

    def _replace_deaf(self) -> None:
        """Another member in our place, where a new client is answered and ours is not.

        The old one leaves the group, as far as it can, and is not asked any more. It is kept: to
        close it may take as long as its brokers are away, for ever.
        """
        other = AdminClient(brokers.shared(self._config))
        try:
            other.list_topics(ANCHOR_TOPIC, timeout=ASK_S)
        except KafkaException:
            return
        log.warning(
            "client_replaced", meaning="librdkafka got no answer any more; a new client does"
        )
        self._forsake()
        self._consumer.poll(ASK_S)  # It gives its shards back, if the coordinator still hears it.
        self._changes.rebalanced = True
        self._replaced.append(self._consumer)
        if len(self._replaced) > MOST_REPLACED:
            raise StuckError(
                f"{len(self._replaced)} members of the group got no answer from the brokers, one "
                "after the other, where a new client did",
                "Start the worker again, as a supervisor does by itself: nothing is lost",
            )
        self._consumer = make_consumer(self._config)
        self._anchor = Anchor(self._consumer)
        if self._wants_shards:
            self.join()
