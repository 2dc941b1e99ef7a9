"""A subscriber of the topics: from the beginning, outside of any group."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import TracebackType

    from confluent_kafka import Message

EOF_CODE: Final = KafkaError._PARTITION_EOF
POLL_S: Final = 0.1
FETCH: Final = 1_000
QUERY_S: Final = 60.0
JOIN_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Received:
    """One record as a subscriber got it; `at` is monotonic seconds, `time_ms` Kafka's time."""

    topic: str
    partition: int
    offset: int
    key: str | None
    event_id: str
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = field(repr=False)
    at: float = field(repr=False)
    time_ms: int = field(default=0, repr=False)


def _received(message: Message, at: float) -> Received:
    headers = tuple((str(pair[0]), _bytes(pair[1])) for pair in message.headers() or ())
    key, value = message.key(), message.value()
    return Received(
        topic=message.topic() or "",
        partition=_int(message.partition()),
        offset=_int(message.offset()),
        key=None if key is None else _bytes(key).decode(),
        event_id=dict(headers)["ce_id"].decode(),
        value=None if value is None else _bytes(value),
        headers=headers,
        at=at,
        time_ms=message.timestamp()[1],
    )


def _bytes(value: str | bytes | None) -> bytes:
    return value.encode() if isinstance(value, str) else value or b""


def _int(value: int | None) -> int:
    return -1 if value is None else value


class Subscriber:
    """Reads in a thread of its own for as long as its block lasts."""

    def __init__(
        self, bootstrap: str, topics: Sequence[str], isolation: str = "read_committed"
    ) -> None:
        """Subscribe to topics that exist; under `read_uncommitted` also to what was aborted."""
        config = {
            "bootstrap.servers": bootstrap,
            "group.id": "nobody",
            # Brokers come and go here: librdkafka would tell standard error of each attempt.
            "log_level": 0,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "reconnect.backoff.max.ms": 500,
            "fetch.wait.max.ms": 50,
        }
        self._config = config
        self._consumer = Consumer({**config, "isolation.level": isolation})
        self._places = [
            TopicPartition(topic, number, OFFSET_BEGINNING)
            for topic in topics
            for number in range(partitions(self._consumer, topic))
        ]
        self._ends: dict[tuple[str, int], int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="subscriber", daemon=True)
        self._failure: Exception | None = None
        self.event_ids: set[str] = set()
        self.received: list[Received] = []

    def __enter__(self) -> Self:
        self._consumer.assign(self._places)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join(JOIN_S)
        self._consumer.close()

    def has_all(self, event_ids: Iterable[str]) -> bool:
        """Whether each of these has been read at least once."""
        self.check()
        return self.event_ids.issuperset(event_ids)

    def at_the_end(self) -> bool:
        """Whether every record in the topics is read or known to be aborted; none is pending."""
        self.check()
        reader = Consumer({**self._config, "isolation.level": "read_uncommitted"})
        try:
            return all(self._end_of(reader, place) for place in self._places)
        except KafkaException:
            return False  # The broker is away: not known yet.
        finally:
            reader.close()

    def check(self) -> None:
        """Raise what ended the reading, if anything did."""
        if self._failure is not None:
            message = "the subscriber failed"
            raise AssertionError(message) from self._failure

    def _end_of(self, reader: Consumer, place: TopicPartition) -> bool:
        _, high = reader.get_watermark_offsets(place, timeout=QUERY_S)
        return high == 0 or self._ends.get((place.topic, place.partition), -1) >= high

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                messages = self._consumer.consume(FETCH, POLL_S)
                now = time.monotonic()
                for message in messages:
                    self._take(message, now)
        except Exception as error:  # noqa: BLE001  `check` raises it where the test sees it
            self._failure = error

    def _take(self, message: Message, now: float) -> None:
        fault = message.error()
        if fault is None:
            record = _received(message, now)
            self.received.append(record)
            self.event_ids.add(record.event_id)
        elif fault.code() == EOF_CODE:
            place = (message.topic() or "", _int(message.partition()))
            self._ends[place] = _int(message.offset())
        elif fault.fatal() or fault.code() == KafkaError.OFFSET_OUT_OF_RANGE:
            raise KafkaException(fault)


def partitions(consumer: Consumer, topic: str) -> int:
    """How many partitions the topic has; a broker hears of one that was just made a bit later."""

    def look() -> int:
        found = consumer.list_topics(topic, timeout=QUERY_S).topics[topic]
        if found.error is None:
            return len(found.partitions)
        if found.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            return 0
        raise KafkaException(found.error)

    return wait_until(look, QUERY_S, f"the broker knows topic {topic}")
