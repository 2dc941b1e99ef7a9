"""Which topics are looked at, and what the brokers say of them: asked once for all checks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import psycopg
from confluent_kafka import KafkaError
from confluent_kafka.admin._topic import TopicDescription

from outbox_worker.doctor import shape
from outbox_worker.kafka import rights
from outbox_worker.stores import doctor, topic

if TYPE_CHECKING:
    from collections.abc import Mapping

    from outbox_worker.doctor.servers import Servers
    from outbox_worker.stores.doctor import WaitingTopic

MANY: Final = 2_000_000
FEW: Final = 20_000
"""Unpublished events that are looked at: first all that one statement can be expected to count in
time, and if that took too long, so many."""

MOST_TOPICS: Final = 2_000
"""Brokers are asked about so many, those with waiting events first."""


class Waiting(NamedTuple):
    """The topics of unpublished events by name; `is_partial`: not all of these were looked at."""

    topics: Mapping[str, WaitingTopic]
    is_partial: bool

    @property
    def hint(self) -> str:
        """What is added to a finding of a look that was not complete."""
        return f" (of {FEW:,} waiting events; to look at all takes too long)" * self.is_partial


def waiting(servers: Servers) -> Waiting:
    """What waits, as far as the mirror knows."""
    try:
        with servers.reading() as link:
            found = doctor.list_waiting_topics(link, MANY)
            is_partial = False
    except psycopg.errors.QueryCanceled:
        with servers.reading() as link:
            found = doctor.list_waiting_topics(link, FEW)
            is_partial = True
    return Waiting({each.topic: each for each in found}, is_partial)


def names(servers: Servers) -> list[str]:
    """The topics that are looked at: of waiting events, then those that workers wrote to."""
    found = list(servers.once(waiting).topics)
    with servers.reading() as link:
        known = [each.topic for each in topic.list_topics(link)]
    return list(dict.fromkeys([*found, *known]))[:MOST_TOPICS]


def described(servers: Servers) -> dict[str, TopicDescription | KafkaError]:
    """What the brokers say of each of them."""
    return shape.shapes_of(servers.admin, servers.once(names))


def there(servers: Servers) -> dict[str, TopicDescription]:
    """Those that are there and ours to see."""
    found = servers.once(described)
    return {name: each for name, each in found.items() if isinstance(each, TopicDescription)}


def missing(servers: Servers) -> list[str]:
    """Topics of waiting events that are not there."""
    return _of_code(servers, frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART}))


def hidden(servers: Servers) -> list[str]:
    """Topics of waiting events that this user may not even see."""
    return _of_code(servers, rights.REFUSALS)


def _of_code(servers: Servers, codes: frozenset[int]) -> list[str]:
    found = servers.once(described)
    return [
        name
        for name in servers.once(waiting).topics
        if isinstance(fault := found.get(name), KafkaError) and fault.code() in codes
    ]


def settings(servers: Servers) -> dict[str, Mapping[str, str] | KafkaError]:
    """The settings of those that are there, or why Kafka does not give them."""
    return shape.settings_of(servers.admin, servers.once(there))
