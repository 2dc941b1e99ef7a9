"""A subscriber for people: the events of one topic as they come, under `read_committed`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, KafkaError, TopicPartition
from pydantic_core import from_json

from outbox_worker.errors import ServerError
from outbox_worker.kafka.admin import partitions_of, unreachable
from outbox_worker.kafka.clients import make_consumer
from outbox_worker.kafka.config import reader_config

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    from confluent_kafka import Message

    from outbox_worker.settings import Settings

POLL_S: Final = 0.2
FETCH: Final = 100
PASSING: Final = frozenset({KafkaError._PARTITION_EOF, KafkaError._TRANSPORT})  # noqa: SLF001


@dataclass(frozen=True, slots=True)
class Event:
    """One record; `payload` is what its JSON says, text, or bytes, None for a tombstone.

    JSON that is nested too deeply, or holds a number or character that no program can, is text.
    """

    topic: str
    partition: int
    offset: int
    key: str | None
    headers: dict[str, str]
    payload: object
    is_json: bool

    def as_json(self) -> dict[str, object]:
        """As a line of JSON holds it; bytes that are no text as hexadecimal digits."""
        payload = self.payload.hex() if isinstance(self.payload, bytes) else self.payload
        return {
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
            "key": self.key,
            "id": self.headers.get("ce_id"),
            "type": self.headers.get("ce_type"),
            "time": self.headers.get("ce_time"),
            "headers": self.headers,
            "payload": payload,
        }


def follow(
    settings: Settings, topic: str, stop: threading.Event, *, from_beginning: bool
) -> Iterator[Event]:
    """The events of `topic` until `stop` is set; commits nothing, belongs to no group.

    `ServerError` where the topic is not there or may not be read.
    """
    config = reader_config(settings, group=settings.group, isolation="read_committed")
    consumer = make_consumer({**config, "fetch.wait.max.ms": 100})
    try:
        count = partitions_of(consumer, topic)
        if not count:
            raise ServerError(
                f"There is no topic {topic}",
                "Check the name; topics are made by an administrator or OUTBOX_CREATE_TOPICS",
            )
        start = OFFSET_BEGINNING if from_beginning else OFFSET_END
        consumer.assign([TopicPartition(topic, number, start) for number in range(count)])
        while not stop.is_set():
            for message in consumer.consume(FETCH, POLL_S):
                fault = message.error()
                if fault is None:
                    yield event_of(message)
                elif fault.code() not in PASSING:
                    raise unreachable(fault)
    finally:
        consumer.close()


def event_of(message: Message) -> Event:
    """A record for people."""
    headers = {name: value.decode(errors="replace") for name, value in headers_of(message).items()}
    key, payload, is_json = message.key(), *_payload(message.value())
    return Event(
        message.topic() or "",
        message.partition() or 0,
        message.offset() or 0,
        None if key is None else _text(key),
        headers,
        payload,
        is_json,
    )


def headers_of(message: Message) -> dict[str, bytes]:
    """The headers of a record; a header without a value is an empty one."""
    pairs = message.headers() or ()
    items = pairs.items() if isinstance(pairs, dict) else pairs
    return {
        str(pair[0]): pair[1].encode() if isinstance(pair[1], str) else pair[1] or b""
        for pair in items
    }


def _payload(raw: str | bytes | None) -> tuple[object, bool]:
    if raw is None:
        return None, False
    try:
        return from_json(raw, allow_inf_nan=False), True
    except ValueError:
        pass
    try:
        return (raw if isinstance(raw, str) else raw.decode()), False
    except UnicodeDecodeError:
        return raw, False


def _text(value: str | bytes | None) -> str:
    return value if isinstance(value, str) else (value or b"").decode(errors="replace")
