"""What a broker allows: learned from its answers, for its settings are mostly not ours to read."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Final

import structlog
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType
from typing_extensions import override

from outbox_worker.errors import BrokerLimitError
from outbox_worker.kafka import rights
from outbox_worker.kafka.admin import METADATA_S, answer, unreachable
from outbox_worker.kafka.clients import make_producer
from outbox_worker.kafka.config import Config, client_config, producer_config, without_producer
from outbox_worker.settings import ANCHOR_TOPIC, KAFKA_CALL_S, SESSION_TIMEOUT_MS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from confluent_kafka import Producer

    from outbox_worker.settings import Settings

SHORTER_MS: Final = (5_000, 2_000, 1_000)
"""Time-outs of a transaction where the broker does not take ours; batches shrink to fit."""

LONGER_MS: Final = (10_000, 30_000, 60_000)
"""Sessions where the broker does not take ours; a dead worker is noticed that much later."""

FENCES: Final = 3
"""The version of TxnOffsetCommit from which on a broker checks member and generation (KIP-447)."""

UNDECIDED: Final = frozenset(
    {
        KafkaError._TIMED_OUT,  # noqa: SLF001  librdkafka's own code
        KafkaError.CONCURRENT_TRANSACTIONS,
    }
)
"""What librdkafka says of an id of which the last transaction does not end."""

OFFERED: Final = re.compile(r"ApiKey TxnOffsetCommit \(28\) Versions -?\d+\.\.(-?\d+)")

OF_ONE_CLIENT: Final = frozenset({"transactional.id", "error_cb", "on_delivery"})
"""Of a producer's or member's properties, those that may not be another client's."""

log = structlog.get_logger("worker")


def shared(config: Config) -> Config:
    """What of a client's properties another one of the same process may have."""
    return {name: value for name, value in config.items() if name not in OF_ONE_CLIENT}


def require_fencing(settings: Settings) -> bool:
    """See that the broker refuses positions of a worker that is no member any more.

    Kafka before 2.5 does not, and librdkafka sends it the positions all the same: of two owners
    of a shard both would publish. Raises `BrokerLimitError`, and `ServerError` where nobody
    answers. False, with a warning in the log, where nobody saw which version the brokers have.
    """
    offers = _Offers()
    logger = logging.getLogger("librdkafka.offers")
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    logger.addHandler(offers)
    # librdkafka knows what a broker offers and says it nowhere else.
    ours = {"debug": "feature", "log_level": 7, "logger": logger}
    admin = AdminClient(without_producer({**client_config(settings), **ours}))
    try:
        admin.list_topics(ANCHOR_TOPIC, timeout=METADATA_S)
    except KafkaException as error:
        raise unreachable(error.args[0], ANCHOR_TOPIC) from error
    admin.poll(0)
    if not offers.highest:
        log.warning(
            "broker_versions_unknown", meaning="nobody saw whether this is Kafka 2.5 or newer"
        )
    elif min(offers.highest) < FENCES:
        raise BrokerLimitError(
            "Kafka is older than 2.5: it takes positions also from a worker that lost its shards "
            f"(TxnOffsetCommit version {min(offers.highest)}, not {FENCES}), so that events could "
            "be published twice",
            "Run the worker with brokers of Kafka 2.5 or newer",
        )
    return bool(offers.highest)


class UndecidedError(KafkaException):
    """Brokers answer, but none lets a producer of this id begin.

    Its last one left something open that they cannot end, or this id's coordinator is away.
    """


def open_producer(config: Config, seconds: float = KAFKA_CALL_S) -> Producer:
    """A transactional producer that has fenced every older one of its id; `KafkaException`.

    `UndecidedError` where that is not allowed within `seconds`. With a shorter time-out than the
    one wanted where the broker's transaction.max.timeout.ms is below that; `BrokerLimitError`
    where it takes none of ours.
    """
    wanted: int = config["transaction.timeout.ms"]
    for milliseconds in (wanted, *(each for each in SHORTER_MS if each < wanted)):
        producer = make_producer({**config, "transaction.timeout.ms": milliseconds})
        try:
            _init_transactions(producer, seconds)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.INVALID_TRANSACTION_TIMEOUT:
                raise
            continue
        if milliseconds != wanted:
            log.warning("transaction_timeout_lowered", milliseconds=milliseconds, wanted=wanted)
        return producer
    raise _limit(
        config,
        f"Kafka's transaction.max.timeout.ms is below {milliseconds} ms, the least that the "
        f"worker tries ({wanted} ms is what it wants)",
        f"Set transaction.max.timeout.ms of the brokers to {wanted} or more",
        "transaction.max.timeout.ms",
    )


def longer_session(config: Config) -> int:
    """The session to ask for after that of `config` was refused; `BrokerLimitError` after the last.

    The broker's group.min.session.timeout.ms is above it, or its maximum below.
    """
    milliseconds: int = config["session.timeout.ms"]
    longer = next((each for each in LONGER_MS if each > milliseconds), None)
    if longer is None:
        raise _limit(
            config,
            f"Kafka takes none of the worker's sessions of {SESSION_TIMEOUT_MS} to {milliseconds} "
            "ms: group.min.session.timeout.ms is above them, or group.max.session.timeout.ms below",
            f"Set group.min.session.timeout.ms of the brokers to {SESSION_TIMEOUT_MS} (Kafka's "
            "default) or less, and group.max.session.timeout.ms to more",
            "group.min.session.timeout.ms",
            "group.max.session.timeout.ms",
        )
    log.warning("session_timeout_raised", milliseconds=longer, wanted=milliseconds)
    return longer


def fence(settings: Settings, owner: str, seconds: float = KAFKA_CALL_S) -> None:
    """Abort what a worker that is gone left open; `KafkaException`, above all where Kafka is away.

    `UndecidedError` where Kafka does not end it within `seconds`. Its producer is not closed: that
    waits for ever while the broker is away.
    """
    open_producer(producer_config(settings, owner), seconds)


def _limit(config: Config, tried: str, hint: str, *names: str) -> BrokerLimitError:
    """The error with what the brokers have for these properties, or why that is not known."""
    admin = AdminClient(shared(config))
    try:
        found = settings_of(admin, names)
    except KafkaException as error:
        fault = error.args[0]
        unread = f"{tried}; the brokers' own value could not be read: {fault.name()}"
        if fault.code() in rights.REFUSALS:
            hint += f". To have the value shown, also: {rights.on_settings()}"
        return BrokerLimitError(unread, hint)
    values = ", ".join(f"{name} is {_words(each)}" for name, each in found.items())
    return BrokerLimitError(f"{tried}; at the brokers {values}", hint)


def settings_of(admin: AdminClient, names: Sequence[str]) -> dict[str, dict[int, str]]:
    """By name, what each broker that answers has; `KafkaException` where none does.

    A setting that a broker does not know is not among them.
    """
    numbers = admin.list_topics(ANCHOR_TOPIC, timeout=METADATA_S).brokers
    # All at once: one that is away holds up the others' answers no longer than its own.
    asked = {
        number: admin.describe_configs(
            [ConfigResource(ResourceType.BROKER, str(number))], request_timeout=METADATA_S
        )
        for number in sorted(numbers)
    }
    found: dict[str, dict[int, str]] = {name: {} for name in names}
    refused: KafkaException | None = None
    for number, answers in asked.items():
        for future in answers.values():
            try:
                entries = answer(future, METADATA_S)
            except KafkaException as error:
                refused = error
                continue
            for name in names:
                if name in entries:
                    found[name][number] = str(entries[name].value)
    if refused is not None and not any(found.values()):
        raise refused
    return found


def _words(values: Mapping[int, str]) -> str:
    """One value where all brokers agree, else that of each."""
    if len(set(values.values())) == 1:
        return next(iter(values.values()))
    return " and ".join(f"{value} (broker {number})" for number, value in values.items())


def _init_transactions(producer: Producer, seconds: float) -> None:
    """Fence.

    A producer that is not connected looks for its coordinator in vain, and librdkafka (2.16)
    looks again only 500 ms later. So it is asked something first that connects it, twice: with
    the first answer it learns of the brokers, lets go of the connection to the bootstrap server,
    and may have none to a broker yet. 35 ms for all; after one question 500 ms in one of four.
    """
    for _ in range(2):
        producer.list_topics(ANCHOR_TOPIC, timeout=KAFKA_CALL_S)
    try:
        producer.init_transactions(seconds)
    except KafkaException as error:
        if error.args[0].code() in UNDECIDED:
            raise UndecidedError(error.args[0]) from error
        raise


class _Offers(logging.Handler):
    """The highest version of TxnOffsetCommit of each broker that librdkafka speaks of."""

    def __init__(self) -> None:
        super().__init__()
        self.highest: list[int] = []

    @override
    def emit(self, record: logging.LogRecord) -> None:
        found = OFFERED.search(record.getMessage())
        if found:
            self.highest.append(int(found[1]))
