"""Who is a member of the group, and which shards nobody has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from confluent_kafka import ConsumerGroupState

from outbox_worker.doctor.finding import Finding, failed, passed, skipped, warned
from outbox_worker.doctor.words import shards as in_words
from outbox_worker.kafka.admin import METADATA_S, answer
from outbox_worker.settings import ANCHOR_TOPIC, SHARDS

if TYPE_CHECKING:
    from confluent_kafka.admin._group import ConsumerGroupDescription

    from outbox_worker.doctor.servers import Servers

SETTLING: Final = frozenset(
    {ConsumerGroupState.PREPARING_REBALANCING, ConsumerGroupState.COMPLETING_REBALANCING}
)


def look(servers: Servers) -> Finding:
    """Fails where there is none: nothing is published."""
    found = servers.once(ask)
    group = servers.settings.group
    if not found.members:
        return failed(
            f"no worker is a member of the group {group}: nothing is published",
            "Start a worker with the same OUTBOX_GROUP, or see in its log why it does not join",
            "outbox-worker run",
        )
    hosts = sorted({each.host.removeprefix("/") for each in found.members})
    return passed(f"{len(found.members)} of the group {group}, on {', '.join(hosts)}")


def shards(servers: Servers) -> Finding:
    """Fails where nobody has a shard while the group is settled, warns while it is not."""
    found = servers.once(ask)
    if not found.members:
        return skipped("not seen: the group has no members")
    owned = {
        place.partition
        for member in found.members
        for place in member.assignment.topic_partitions
        if place.topic == ANCHOR_TOPIC
    }
    missing = sorted(set(range(SHARDS)) - owned)
    if found.state in SETTLING:
        return warned(
            "the group is handing shards over just now",
            "Run doctor again in a few seconds; where this stays, see which worker does not "
            "answer: no_shards and shards_assigned in the logs",
        )
    if missing:
        return failed(
            f"nobody has {in_words(missing)}: their events wait",
            "See the logs of the workers (shards_assigned), and that all of them use the same "
            "OUTBOX_GROUP; restart them one by one",
        )
    return passed("each of the 16 has an owner")


def ask(servers: Servers) -> ConsumerGroupDescription:
    """The group as its coordinator knows it."""
    group = servers.settings.group
    asked = servers.admin.describe_consumer_groups([group], request_timeout=METADATA_S)
    found: ConsumerGroupDescription = answer(asked[group], METADATA_S)
    return found
