"""One batch, one Kafka transaction: the records and the positions, both or neither.

    begin -> produce each -> send_offsets_to_transaction -> commit

Two producers take turns, each under its own id: Kafka still ends the transaction of one when the
other begins the next. That one begins only once the commit before it is answered.

A producer whose commit has an unknown outcome is never used again: Kafka is
asked. librdkafka has no KIP-890, so only a new producer's `init_transactions`
fences what is late of the old transaction: its records, its positions, its end. So one
that aborted, or that lost a connection on its way to a commit, is not used again either.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Producer

from outbox_worker.kafka import brokers
from outbox_worker.logs.safe_text import describe
from outbox_worker.position.row import CREATED_AT, KEY, PAYLOAD, TOPIC, WRITER, EventRow, topic_of
from outbox_worker.relay.connections import LOUD, Connections
from outbox_worker.relay.faults import (
    GAP_CODES,
    REJECTING_CODES,
    STATE_CODES,
    cause_of,
    fault_of,
)
from outbox_worker.relay.ids import Ids
from outbox_worker.relay.kafka_status import words
from outbox_worker.relay.leaders import Leaders
from outbox_worker.relay.outcome import (
    NO_RECORD,
    Aborted,
    Committed,
    Discarded,
    Interrupted,
    Rejected,
    as_bytes,
    record_of,
)
from outbox_worker.relay.record import headers_of, written_ms
from outbox_worker.settings import KAFKA_CALL_S, TRANSACTION_TIMEOUT_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from confluent_kafka import Message, TopicPartition

    from outbox_worker.kafka.config import Config
    from outbox_worker.relay.outcome import Record, TransactionOutcome
    from outbox_worker.relay.record import Header
    from outbox_worker.relay.sources import Sources
    from outbox_worker.settings import Timestamp

OPEN_S: Final = 1.5
"""How long an id is tried at first: Kafka mostly takes 40 ms, and 0.6 s to abort what a producer
left. Twice as long after each that was not let in, so that slow brokers let one in at last."""

TRANSACTION_S: Final = TRANSACTION_TIMEOUT_MS / 1_000 + 0.5
"""How long a transaction may take with us: librdkafka says before what its time-out ended."""

UNDO_S: Final = 1.0
"""How long Kafka is given at least to abort one. Where it does not, the next producer does."""


class Made(NamedTuple):
    """A producer that was let in under its id, and what is heard of it."""

    name: str
    producer: Producer
    failures: list[tuple[KafkaError, Record]]
    lost: list[int]
    connections: Connections


class Transactions:
    """The transactional producers of one worker.

    `open()` before use; after `Discarded` open them again. Not for two threads at
    once, but `produce` and `finish` of one transaction may run on different ones.
    """

    def __init__(
        self,
        config: Config,
        sources: Sources,
        timestamp: Timestamp = "insert",
        leaders: Leaders | None = None,
    ) -> None:
        """Take librdkafka's configuration, and the records' CloudEvents sources and time.

        Events without a key keep clear of the partitions that `leaders` names.
        """
        self._config = config
        self._ids = Ids(config["transactional.id"])
        self._leaders = Leaders() if leaders is None else leaders
        self._sources = sources
        self._time_of = written_ms if timestamp == "insert" else _now
        self._made: dict[str, Made] = {}
        self._current: Made | None = None
        self._rows: Sequence[EventRow] = ()
        self.delivered = 0
        """Of a transaction that failed, how many of its records the brokers had taken by then."""
        self._began = 0.0
        self._open_s = OPEN_S

    @property
    def ids(self) -> Ids:
        """Under which ids it publishes, now and before."""
        return self._ids

    @property
    def is_open(self) -> bool:
        """Whether there are producers to use."""
        return all(name in self._made for name in self._ids.pair)

    def open(self) -> None:
        """Make the producers that are missing and fence older ones of their ids; `KafkaException`.

        Where Kafka cannot end the last transaction of an id, the next call takes others.
        """
        for name in [each for each in self._ids.pair if each not in self._made]:
            self._made[name] = self._let_in(name)
        self._ids.opened()
        self._open_s = OPEN_S

    def _let_in(self, name: str, before: Made | None = None) -> Made:
        """A producer of this id. If Kafka lets in none, and `before` is in use, others are next."""
        # A list of its own: what is still heard of one that was given up is not this one's.
        failures: list[tuple[KafkaError, Record]] = []
        lost = [0]
        note = partial(_note_failure, failures, lost)
        connections = Connections(self._config)
        ours = {"transactional.id": name, "on_delivery": note, "logger": connections}
        try:
            producer = brokers.open_producer({**self._config, **LOUD, **ours}, self._open_s)
        except brokers.UndecidedError:
            if before is None or self._has(before):
                self._move_on(name)
            raise
        return Made(name, producer, failures, lost, connections)

    def _move_on(self, stuck: str) -> None:
        """Continue under other ids than `stuck`, and wait longer for those."""
        self._ids.move_on(stuck)
        self._open_s = min(self._open_s * 2, KAFKA_CALL_S)
        for made in [each for each in self._made.values() if each.name not in self._ids.pair]:
            self._discard(made)

    def produce(self, rows: Sequence[EventRow]) -> TransactionOutcome | None:
        """Begin, and hand all records to librdkafka; an outcome only where that failed."""
        self._current = self._made.get(self._ids.take_turns())
        made = self._require()
        made.failures.clear()
        made.lost[0] = 0
        self._rows, self.delivered = rows, 0
        self._began = time.perf_counter()
        row = None
        try:
            made.producer.begin_transaction()
            default, own, time_of = self._sources.default, self._sources.by_writer, self._time_of
            produce: Callable[..., None] = made.producer.produce
            if self._leaders.are_lacking:
                produce = self._produce_around
            written, stamp = "", 0
            for row in rows:
                # In a backlog many events share their millisecond: that is then worked out once.
                if row[CREATED_AT][:23] != written:
                    written = row[CREATED_AT][:23]
                    stamp = time_of(written)
                headers = headers_of(row, own.get(row[WRITER], default) if own else default)
                produce(row[TOPIC], row[PAYLOAD], row[KEY], headers=headers, timestamp=stamp)
            made.producer.poll(0)
        except (KafkaException, SystemError) as error:
            fault = fault_of(error)
            if row is not None and fault.code() in REJECTING_CODES:
                made.failures.append((fault, record_of(row)))
            return self._abort(made, fault)
        except Exception as error:  # whatever it is, it lies in this one row
            if row is None:
                raise
            return self._spoiled(made, row, error)
        return None

    def _produce_around(
        self,
        topic: str,
        value: bytes | None,
        key: str | None,
        headers: list[Header],
        timestamp: int,
    ) -> None:
        """Produce to a partition that has a leader, while others have none."""
        place = self._leaders.place(topic, key)
        produce = self._require().producer.produce
        produce(topic, value, key, place, headers=headers, timestamp=timestamp)

    def finish(self, offsets: list[TopicPartition], member: bytes) -> TransactionOutcome:
        """Put the positions in and commit. Blocks, mostly at most the transaction time-out."""
        made = self._require()
        try:
            made.producer.send_offsets_to_transaction(offsets, member, self._left())
            if not self._has(made):
                return Discarded("given up before the commit")
            made.producer.commit_transaction(self._left())
        except (KafkaException, SystemError) as error:
            return self._abort(made, fault_of(error))
        seconds = time.perf_counter() - self._began
        try:
            made.producer.poll(0)  # It brings what librdkafka said meanwhile.
            if made.connections.lost:
                self._replace(made)
        except (KafkaException, SystemError) as error:
            self._discard(made)
            fault = fault_of(error)
            return Discarded(f"{words(fault)}; that was after the commit", fault.code())
        return Committed(seconds)

    def release(self) -> None:
        """Let go of the rows of a transaction that has ended: they may be 60 MB."""
        self._rows = ()

    def give_up(self) -> Discarded:
        """Continue without a `finish` that does not end: what it did is unknown.

        A new producer fences the old one, whatever that still sends.
        """
        self._discard(self._require())
        return Discarded("NO_ANSWER: librdkafka did not return from a transaction")

    def close(self) -> None:
        """Let go of the producers; an open transaction is left for Kafka to abort."""
        for made in list(self._made.values()):
            self._discard(made)

    def _left(self) -> float:
        """For how many seconds more the transaction may continue."""
        return max(0.0, self._began + TRANSACTION_S - time.perf_counter())

    def _require(self) -> Made:
        """The producer of the transaction under way."""
        if self._current is None:
            raise RuntimeError("the producer is not open")
        return self._current

    def _has(self, made: Made) -> bool:
        """Whether it is in use still: a transaction may be given up while a thread waits for it."""
        return self._made.get(made.name) is made

    def _abort(self, made: Made, fault: KafkaError) -> TransactionOutcome:
        """Abort where librdkafka says that it can be; otherwise give the producer up."""
        fault = cause_of(made.producer, fault)
        self.delivered = max(0, len(self._rows) - len(made.producer) - made.lost[0])
        reason, code = words(fault), fault.code()
        if fault.fatal() or not (fault.txn_requires_abort() or made.failures):
            self._discard(made)
            return Discarded(reason, code)
        try:
            self._undo(made)
        except (KafkaException, SystemError) as error:
            # Where the right on a topic was refused, librdkafka (2.16) aborts a transaction that
            # the broker may never have heard of, and the answer is that there is none.
            self._discard(made)
            rejected = self._rejection(made, fault)
            topics = rejected.topics if rejected else frozenset()
            return Discarded(f"{reason}; abort: {fault_of(error).str()}", code, topics)
        if rejected := self._rejection(made, fault):
            return rejected
        return Interrupted(reason, code) if code in GAP_CODES else Aborted(reason, code)

    def _spoiled(self, made: Made, row: EventRow, error: Exception) -> TransactionOutcome:
        """Abort because of a row of which no record can be made: others must not wait for it."""
        reason = f"{type(error).__name__}: {describe(error)}"
        topics, records = frozenset({row[TOPIC]}), frozenset({record_of(row)})
        try:
            self._undo(made)
        except (KafkaException, SystemError) as failure:
            self._discard(made)
            return Discarded(f"{reason}; abort: {fault_of(failure).str()}", topics=topics)
        return Rejected(reason, NO_RECORD, topics, records)

    def _undo(self, made: Made) -> None:
        """Abort, and continue with a new producer."""
        made.producer.abort_transaction(self._left() + UNDO_S)
        self._replace(made)

    def _replace(self, made: Made) -> None:
        """Continue with a new producer, where something of this one may still be on its way.

        librdkafka (2.16) would continue with the same epoch and sequence numbers. Of a request that
        comes late, inside the next transaction, that one then has the effect: records are committed
        with it, and those that have the same numbers there are taken for copies and lost; what
        there is of it is committed, or aborted, and the rest apart; newer positions are replaced.
        """
        if not self._has(made):
            return
        following = self._let_in(made.name, made)
        # Meanwhile this transaction may have been given up, and another producer be in use.
        if self._has(made):
            self._discard(made)
            self._made[made.name] = following

    def _discard(self, made: Made) -> None:
        """Let go of a producer, unless it was given up and another is in its place.

        Without its own `close`: that aborts the transaction first, and waits for
        ever while the broker is away.
        """
        if self._has(made):
            del self._made[made.name]
            made.producer.purge(blocking=False)

    def _rejection(self, made: Made, fault: KafkaError) -> Rejected | None:
        """The first failed delivery that lies in a record, or the refusal of a topic, if any.

        A topic that may not be written is refused before any record is sent: librdkafka
        then drops all of them unsent, and says of none what is wrong with it.
        """
        topics = frozenset(topic for _, (topic, _, _) in made.failures)
        refused = [each for each in made.failures if each[0].code() in REJECTING_CODES]
        if refused:
            error, records = refused[0][0], frozenset(record for _, record in refused)
            return Rejected(words(error), error.code(), topics, records)
        if self._rows and fault.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            return Rejected(words(fault), fault.code(), frozenset(map(topic_of, self._rows)))
        return None


def _now(_created_at: str) -> int:
    """Librdkafka's word for the time at which it is given the record."""
    return 0


def _note_failure(
    failures: list[tuple[KafkaError, Record]],
    lost: list[int],
    error: KafkaError | None,
    message: Message,
) -> None:
    if error is None:
        return
    lost[0] += 1
    if error.code() not in STATE_CODES:
        record = (message.topic() or "", as_bytes(message.key()), as_bytes(message.value()))
        failures.append((error, record))
