"""The librdkafka properties of each client; exactly-once rests on some, which no file may set."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import structlog
from typing_extensions import override

from outbox_worker import settings as numbers
from outbox_worker.errors import SettingsError
from outbox_worker.kafka import compression

if TYPE_CHECKING:
    from pathlib import Path

    from outbox_worker.settings import Settings


Config: TypeAlias = dict[str, Any]


OURS: Final = frozenset(
    {
        "acks",
        "allow.auto.create.topics",
        "auto.offset.reset",
        "bootstrap.servers",
        "delivery.report.only.error",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "enable.gapless.guarantee",
        "enable.idempotence",
        "group.id",
        "group.instance.id",
        "group.protocol",
        "isolation.level",
        "max.in.flight",
        "max.in.flight.requests.per.connection",
        "max.poll.interval.ms",
        "message.timeout.ms",
        "delivery.timeout.ms",
        "metadata.broker.list",
        "partition.assignment.strategy",
        "partitioner",
        "queue.buffering.max.messages",
        "queue.buffering.max.kbytes",
        "request.required.acks",
        "retries",
        "message.send.max.retries",
        "session.timeout.ms",
        "test.mock.num.brokers",
        "transaction.timeout.ms",
        "transactional.id",
    }
)
"""Properties that the guarantee rests on, or that are settings of their own."""


OF_PROGRAMS: Final = ("logger", "default.topic.config", "on_commit", "on_delivery")
"""Properties of confluent-kafka that are objects of a program, as those that end in `_cb` are."""


PRODUCER_ONLY: Final = frozenset(
    {
        *compression.NAMES,
        "batch.num.messages",
        "batch.size",
        "compression.level",
        "linger.ms",
        "queue.buffering.max.ms",
        "sticky.partitioning.linger.ms",
    }
)


def read_properties(path: Path | None) -> Config:
    """The user's further properties; `SettingsError` names a line or a property that cannot be."""
    if path is None:
        return {}
    try:
        # Editors of Windows begin a file with a mark of UTF-8, which is no part of it.
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise SettingsError(
            f"OUTBOX_KAFKA_PROPERTIES {path} cannot be read: {why}",
            "Name a text file in UTF-8 that the user of this process may read",
        ) from error
    found: Config = {}
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text[0] in "#!":
            continue
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not name:
            raise SettingsError(
                f"OUTBOX_KAFKA_PROPERTIES {path}, line {number}: no key=value",
                "Write one librdkafka property on a line, for example security.protocol=SASL_SSL",
            )
        if name in OURS:
            raise SettingsError(
                f"OUTBOX_KAFKA_PROPERTIES {path}, line {number}: {name} may not be set",
                "The guarantee rests on it, or it has a setting of its own; take the line out",
            )
        if name in OF_PROGRAMS or name.endswith("_cb"):
            raise SettingsError(
                f"OUTBOX_KAFKA_PROPERTIES {path}, line {number}: {name} is no text",
                "It takes a part of a program; take the line out",
            )
        found[name] = value
    return found


def client_config(settings: Settings) -> Config:
    """What every client shares."""
    forward = logging.getLogger("librdkafka")
    if not forward.handlers:
        forward.addHandler(_Forward())
        forward.setLevel(logging.DEBUG)
        forward.propagate = False
    return {
        "client.id": "outbox-worker",
        "socket.keepalive.enable": True,
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 2_000,
        "logger": forward,
        **read_properties(settings.kafka_properties),
        "bootstrap.servers": settings.need_kafka(),
        # Asking for a topic, or writing to one that was deleted, would make it with as many
        # partitions as the broker likes. librdkafka heeds it for producers and admin clients too.
        "allow.auto.create.topics": False,
    }


def producer_config(settings: Settings, transactional_id: str) -> Config:
    """A transactional producer that batches well and loses no time between transactions."""
    return {
        # A batch is handed over as a whole: to wait for more records would bring none.
        "linger.ms": 0,
        "retry.backoff.ms": numbers.RETRY_BACKOFF_MS,
        "retry.backoff.max.ms": numbers.RETRY_BACKOFF_MS,
        # Larger than any topic allows: the topic's own limit decides, and says so.
        "message.max.bytes": numbers.LARGEST_EVENT + 1_000_000,
        "topic.metadata.propagation.max.ms": 1_000,
        # A topic that was deleted, or made again with fewer partitions, holds up the transaction
        # until librdkafka looks: after 5 minutes by default, and every 10 s one comes to nothing.
        "topic.metadata.refresh.interval.ms": numbers.METADATA_REFRESH_MS,
        **client_config(settings),
        **compression.chosen(settings, read_properties(settings.kafka_properties)),
        "transactional.id": transactional_id,
        "transaction.timeout.ms": numbers.TRANSACTION_TIMEOUT_MS,
        "partitioner": "murmur2_random",
        "delivery.report.only.error": True,
        # A batch fits, whatever its size: batches are bounded by our own settings.
        "queue.buffering.max.messages": 2 * max(settings.batch_rows, 100_000),
        "queue.buffering.max.kbytes": 2_097_151,
    }


def group_config(settings: Settings, owner: str) -> Config:
    """The member of the group of workers; it never fetches a record.

    Its client id is the worker's transactional id, so that the group tells who is alive.
    """
    return {
        "heartbeat.interval.ms": numbers.HEARTBEAT_MS,
        "topic.metadata.refresh.interval.ms": 5 * numbers.METADATA_REFRESH_MS,
        **without_producer(client_config(settings)),
        "client.id": owner,
        "group.id": settings.group,
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": numbers.SESSION_TIMEOUT_MS,
        "max.poll.interval.ms": numbers.MAX_POLL_INTERVAL_MS,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "isolation.level": "read_committed",
    }


def reader_config(settings: Settings, *, group: str, isolation: str) -> Config:
    """A consumer outside the workers' group, or one that only asks for its offsets."""
    return {
        **without_producer(client_config(settings)),
        "group.id": group,
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "isolation.level": isolation,
    }


def without_producer(config: Config) -> Config:
    """One file serves all clients; a consumer would warn of what is a producer's."""
    return {name: value for name, value in config.items() if name not in PRODUCER_ONLY}


class _Forward(logging.Handler):
    """librdkafka's own lines, at debug: what they mean is said by ours, once per change."""

    @override
    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger("librdkafka").debug("librdkafka", line=record.getMessage())
