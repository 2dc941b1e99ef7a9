"""Settings of topics that refuse waiting events, or drop what arrives."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from confluent_kafka import KafkaError

from outbox_worker.doctor.finding import Finding, failed, passed, skipped, warned
from outbox_worker.doctor.topics import named
from outbox_worker.doctor.words import duration
from outbox_worker.doctor.words import named as in_words
from outbox_worker.kafka import compression as codecs
from outbox_worker.kafka import rights
from outbox_worker.kafka.config import read_properties
from outbox_worker.stores import doctor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from outbox_worker.doctor.servers import Servers
    from outbox_worker.stores.doctor import WaitingTopic

OVERHEAD: Final = 1_036
"""Bytes of a record beside what a writer gave: 1,048,588 less 1,047,552 (docs/operations.md)."""

MOST: Final = 10
DAY_S: Final = 86_400

CONFIGURE: Final = (
    "kafka-configs.sh --bootstrap-server BROKER:9092 --alter --topic {} --add-config {}"
)


def sizes(servers: Servers) -> Finding:
    """Fails where the largest waiting event of a topic does not fit in its `max.message.bytes`."""
    too_large = []
    for waiting, told in _waiting(servers):
        limit, size = int(told["max.message.bytes"]), waiting.bytes + OVERHEAD
        if size > limit:
            too_large.append((waiting, size, limit))
    if not too_large:
        return _passed(servers, "each waiting event fits in its topic")
    words = [
        f"{each.topic} takes {limit:,} bytes, and event {each.largest} (its id) makes about "
        f"{size:,}"
        for each, size, limit in too_large
    ]
    lines = [
        CONFIGURE.format(each.topic, f"max.message.bytes={size}")
        for each, size, _ in too_large[:MOST]
    ]
    if _is_compressed(servers):
        return warned(
            in_words(words, MOST),
            "What counts is the size after compression, which is smaller: raise the limit if one "
            "is held (group.held)",
            *lines,
        )
    return failed(
        in_words(words, MOST),
        "Raise the limit of the topic, or shorten or delete the event, which is not published "
        "(docs/operations.md, An event that can never go out)",
        *lines,
    )


def compaction(servers: Servers) -> Finding:
    """Fails where an event without a key waits for a topic that is compacted, which refuses it."""
    refused = [
        each.topic
        for each, told in _waiting(servers)
        if each.is_without_key and "compact" in told["cleanup.policy"]
    ]
    if not refused:
        return _passed(servers, "no event without a key waits for a compacted topic")
    return failed(
        f"events without a key wait for compacted topics: {in_words(refused, MOST)}",
        "Give the events a key (they are not published: a member of outbox_operator may "
        "change them), or let the topic delete instead",
        *(CONFIGURE.format(name, "cleanup.policy=delete") for name in refused[:MOST]),
    )


def retention(servers: Servers) -> Finding:
    """Warns where a topic forgets events before the table does, fails where it would at once."""
    lost = [
        f"{each.topic} ({duration(kept)}, the oldest event waits for {duration(each.seconds)})"
        for each, told in _waiting(servers)
        if servers.settings.timestamp == "insert"
        and (kept := _kept(told)) is not None
        and kept < each.seconds
        and told.get("message.timestamp.type") != "LogAppendTime"
    ]
    if lost:
        return failed(
            f"topics drop waiting events soon after they arrive: {in_words(lost, MOST)}",
            "Stop the workers, and raise retention.ms of these topics, or set "
            "OUTBOX_TIMESTAMP=publish",
        )
    days = _days(servers)
    short = [
        f"{name} ({duration(kept)})"
        for name, told in servers.once(named.settings).items()
        if not isinstance(told, KafkaError)
        and (kept := _kept(told)) is not None
        and kept < (days - 1) * DAY_S
    ]
    if short:
        return warned(
            f"the table has events of {days} days, and topics keep less: {in_words(short, MOST)}",
            "After a fail-over or restore, rebase could not see there what is published: raise "
            "retention.ms of the topics, or have purge keep fewer days",
        )
    return _passed(servers, f"topics keep events as long as the table does ({days} days)")


def _is_compressed(servers: Servers) -> bool:
    properties = read_properties(servers.settings.kafka_properties)
    given = {**properties, **codecs.chosen(servers.settings, properties)}
    return any(given.get(name, "none") != "none" for name in codecs.NAMES)


def _days(servers: Servers) -> int:
    with servers.reading() as link:
        days = [each.day for each in doctor.list_days(link) if each.day is not None]
    return max((datetime.now(UTC).date() - days[0]).days, 0) + 1 if days else 0


def _kept(told: Mapping[str, str]) -> float | None:
    """For how many seconds a topic keeps a record, None for ever."""
    milliseconds = int(told["retention.ms"])
    if "delete" not in told["cleanup.policy"] or milliseconds < 0:
        return None
    return milliseconds / 1_000


def _waiting(servers: Servers) -> list[tuple[WaitingTopic, Mapping[str, str]]]:
    """Topics of waiting events with their settings, as far as Kafka gave them."""
    settings = servers.once(named.settings)
    found = servers.once(named.waiting).topics
    return [
        (each, told)
        for name, each in found.items()
        if (told := settings.get(name)) is not None and not isinstance(told, KafkaError)
    ]


def _passed(servers: Servers, seen: str) -> Finding:
    """Fine, unless some topic's settings are not ours to read."""
    settings = servers.once(named.settings)
    unread = [name for name, told in settings.items() if isinstance(told, KafkaError)]
    if not unread:
        return passed(f"{seen}{servers.once(named.waiting).hint}")
    return skipped(
        f"not seen: this user may not read the settings of {in_words(unread, MOST)}",
        "Let an administrator grant it",
        *(rights.on_topic(name, "DescribeConfigs") for name in unread[:MOST]),
    )
