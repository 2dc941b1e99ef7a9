"""What a subscriber finds in the topics, read from beginning to end under `read_committed`.

Memory stays bounded: what is found goes straight into a temporary table of
Postgres, where it is compared with the events.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin._config import ConfigResource

from outbox_worker.errors import ServerError, WorkFailedError
from outbox_worker.kafka.admin import METADATA_S, partitions_of, topic_ids, unreachable
from outbox_worker.kafka.clients import make_admin, make_consumer
from outbox_worker.kafka.config import reader_config
from outbox_worker.kafka.subscribe import headers_of
from outbox_worker.settings import KAFKA_CALL_S
from outbox_worker.stores import scan
from outbox_worker.stores.topic import list_topics
from outbox_worker.timing.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from confluent_kafka import Consumer, Message
    from psycopg import Copy

    from outbox_worker.settings import Settings
    from outbox_worker.stores import Connection

SCAN_OPTIONS: Final[Mapping[str, str]] = {
    "enable_nestloop": "off",
    "jit": "off",
}
"""All events meet all records: on a table that was never analysed the planner
otherwise takes a nested loop, for hours."""

QUEUED_KB: Final = 16_384
"""Records that wait in the client: librdkafka's 64 MB bring a scan no gain."""

STABLE_S: Final = 30.0
"""A dead worker's transaction holds a topic for its 10 s and the broker's sweep, 10 s more."""

STALLED_S: Final = 30.0
"""Time without a record after which the broker counts as away."""

HELD_UP: Final = timedelta(hours=1)
"""A record's time is mostly that of the insert. Before the oldest one that a topic kept, events may
have been that were written later: it came out of a transaction that was open for long, or its shard
was held. What was written within this time after it may be gone too, and does not count as lost."""

ASK_AGAIN_S: Final = 0.1
FETCH: Final = 2_000
POLL_S: Final = 0.5
EOF: Final = KafkaError._PARTITION_EOF  # noqa: SLF001  librdkafka's own code

EVER: Final = datetime.max.replace(tzinfo=UTC)
FINAL_FAULTS: Final = frozenset(
    {KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED}
)


@dataclass(frozen=True, slots=True)
class Range:
    """The records of a partition that are there: from `first` up to, not with, `end`."""

    topic: str
    partition: int
    first: int
    end: int


@dataclass(slots=True)
class Scanned:
    """What a scan saw. Events older than a topic's `horizons` may have left it (retention).

    `made_again` has the topics that were deleted and made again, and about when.
    """

    records: int = 0
    without_id: int = 0
    horizons: dict[str, datetime] = field(default_factory=dict)
    made_again: dict[str, datetime] = field(default_factory=dict)

    def may_lack(self, topic: str, before: datetime) -> None:
        """The topic has dropped records that are older than this."""
        self.horizons[topic] = max(before, self.horizons.get(topic, before))


class Scan:
    """Reads some topics to their present end; `close` lets its clients go."""

    def __init__(self, settings: Settings, topics: Sequence[str]) -> None:
        """Look which of the topics are there; those that are not hold nothing."""
        common = reader_config(settings, group=settings.group, isolation="read_committed")
        self._reader = make_consumer(
            {**common, "enable.partition.eof": True, "queued.max.messages.kbytes": QUEUED_KB}
        )
        self._raw = make_consumer({**common, "isolation.level": "read_uncommitted"})
        self._admin = make_admin(settings)
        self._places = [
            TopicPartition(topic, number, OFFSET_BEGINNING)
            for topic in topics
            for number in range(partitions_of(self._reader, topic))
        ]
        self.scanned = Scanned()
        self._firsts: dict[uuid.UUID, str] = {}

    def close(self) -> None:
        """Let go of the connections."""
        self._reader.close()
        self._raw.close()

    def ranges(self) -> list[Range]:
        """What stands in the partitions now; waits for transactions that are still open.

        `WorkFailedError` where one stays open for longer than a dead worker's can.
        """
        found = []
        for place in self._places:
            first, end = self._ends(self._raw, place)
            self._await_stable(place, end)
            found.append(Range(place.topic, place.partition, first, end))
        return found

    def copy_into(
        self, connection: Connection, ranges: Sequence[Range], advance: Callable[[int], object]
    ) -> Scanned:
        """Read `ranges` into the temporary table `found`; `advance` hears of offsets passed."""
        self._note_compacted()
        self._note_made_again(connection)
        now = datetime.now(UTC)
        for each in ranges:
            if each.first > 0 and each.first == each.end:
                self.scanned.may_lack(each.topic, now)
        scan.create_found(connection)
        with scan.copy_found(connection) as copy:
            copy.set_types(["uuid", "text", "int4", "int8"])
            self._read([each for each in ranges if each.first < each.end], copy, advance)
        scan.analyze_found(connection)
        for event_id, when in scan.list_redriven(connection, list(self._firsts)):
            # Its record has the time of its insert, and came when it was redriven.
            self.scanned.may_lack(self._firsts[event_id], when + HELD_UP)
        return self.scanned

    def _read(self, ranges: Sequence[Range], copy: Copy, advance: Callable[[int], object]) -> None:
        reader = self._reader
        open_ = {(each.topic, each.partition): each for each in ranges}
        at = {place: each.first for place, each in open_.items()}
        reader.assign(
            [TopicPartition(t, number, each.first) for (t, number), each in open_.items()]
        )
        silence = Deadline(STALLED_S)
        while open_:
            messages = reader.consume(FETCH, POLL_S)
            if messages:
                silence = Deadline(STALLED_S)
            elif silence.passed:
                raise ServerError(
                    f"Kafka sent no record for {STALLED_S:.0f} s",
                    "Check that the brokers run and lead all partitions; then run it again",
                )
            for message in messages:
                place = (message.topic() or "", message.partition() or 0)
                each = open_.get(place)
                if each is None or _is_fault(message):
                    continue
                next_offset = self._take(message, each, copy, is_first=at[place] == each.first)
                advance(min(next_offset, each.end) - at[place])
                at[place] = min(next_offset, each.end)
                if next_offset >= each.end:
                    del open_[place]
        reader.unassign()

    def _take(self, message: Message, each: Range, copy: Copy, *, is_first: bool) -> int:
        """Keep a record that lies in its range; the offset up to which the range is read."""
        offset = message.offset() or 0
        if message.error() is not None:
            return each.end  # The end of the partition, behind what is left of our range.
        event_id = event_id_of(message)
        if is_first and each.first > 0:
            self.scanned.may_lack(each.topic, _dropped_before(message))
            if event_id is not None:
                self._firsts[event_id] = each.topic
        if offset < each.end:
            self.scanned.records += 1
            if event_id is None:
                self.scanned.without_id += 1
            else:
                copy.write_row((event_id, each.topic, each.partition, offset))
        return offset + 1

    def _await_stable(self, place: TopicPartition, end: int) -> None:
        deadline = Deadline(STABLE_S)
        while self._ends(self._reader, place)[1] < end:
            if not deadline.pause(ASK_AGAIN_S):
                raise WorkFailedError(
                    f"A transaction over topic {place.topic}, partition {place.partition}, has "
                    f"been open for {STABLE_S:.0f} s, so that nobody can read to its end",
                    "Find it with kafka-transactions.sh find-hanging; end its producer",
                )

    def _ends(self, consumer: Consumer, place: TopicPartition) -> tuple[int, int]:
        try:
            first, end = consumer.get_watermark_offsets(place, timeout=KAFKA_CALL_S)
        except KafkaException as error:
            raise unreachable(error.args[0]) from error
        return first, end

    def _note_made_again(self, connection: Connection) -> None:
        """A topic that was deleted and made again holds nothing of before.

        Workers keep its id, and see within seconds that it is another one. Where it is another
        than they saw last, that was after the last of them looked.
        """
        kept = {each.topic: each for each in list_topics(connection)}
        names = {place.topic for place in self._places} & kept.keys()
        now = datetime.now(UTC)
        for name, id_ in topic_ids(self._admin, names).items():
            again = now if id_ != kept[name].topic_id else kept[name].made_again_at
            if again is not None:
                self.scanned.made_again[name] = again
                self.scanned.may_lack(name, again)

    def _note_compacted(self) -> None:
        """A compacted topic may have dropped any event but the last of its key."""
        topics = {place.topic for place in self._places}
        if not topics:
            return
        orders = [ConfigResource(ConfigResource.Type.TOPIC, topic) for topic in topics]
        answers = self._admin.describe_configs(orders, request_timeout=METADATA_S)
        for order, answer in answers.items():
            try:
                policy = answer.result(KAFKA_CALL_S)["cleanup.policy"].value
            except (KafkaException, TimeoutError):
                continue  # Without the right to ask, the topic counts as one that keeps all.
            if "compact" in (policy or ""):
                self.scanned.may_lack(order.name, EVER)


def _dropped_before(message: Message) -> datetime:
    """What is older may be gone where this is the first record that a topic kept.

    `EVER` where no calendar has its time, as of a producer that counts in us.
    """
    _, milliseconds = message.timestamp()
    try:
        return datetime.fromtimestamp(milliseconds / 1_000, UTC) + HELD_UP
    except (ValueError, OverflowError, OSError):
        return EVER


def event_id_of(message: Message) -> uuid.UUID | None:
    """The id of the event that a record carries; None where it is none of ours."""
    try:
        return uuid.UUID(headers_of(message).get("ce_id", b"").decode())
    except ValueError:
        return None


def _is_fault(message: Message) -> bool:
    """Whether it is no record and no end; raises what will not pass by itself."""
    fault = message.error()
    if fault is None or fault.code() == EOF:
        return False
    if fault.fatal() or fault.code() in FINAL_FAULTS:
        raise unreachable(fault)
    return True
