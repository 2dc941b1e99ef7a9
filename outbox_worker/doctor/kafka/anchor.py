"""The topic whose partitions stand for the shards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from confluent_kafka import KafkaError, KafkaException

from outbox_worker.doctor.finding import Finding, failed, passed, warned
from outbox_worker.doctor.shape import in_sync, leaderless, shape_of
from outbox_worker.doctor.words import shards
from outbox_worker.errors import SettingsError
from outbox_worker.kafka import anchor
from outbox_worker.kafka.admin import by_hand
from outbox_worker.settings import ANCHOR_TOPIC, SHARDS

if TYPE_CHECKING:
    from outbox_worker.doctor.servers import Servers


def look(servers: Servers) -> Finding:
    """Fails where it is missing, has not 16 partitions, or one without a leader."""
    try:
        found = shape_of(servers.admin, ANCHOR_TOPIC)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise
        return failed(
            f"there is no topic {ANCHOR_TOPIC}",
            "Start a worker, which makes it if it may, and continues where the mirror says; or",
            by_hand(SHARDS),
        )
    try:
        anchor.check(len(found.partitions))
    except SettingsError as error:
        return failed(error.message, error.hint)
    lost = leaderless(found)
    if lost:
        return failed(
            f"no broker leads {shards(lost)} of {ANCHOR_TOPIC}",
            "Start a broker that holds a replica; the topic is always empty: if none comes "
            "back, it can be deleted and made again while no worker runs",
        )
    count = min(len(each.replicas) for each in found.partitions)
    seen = f"{SHARDS} partitions, {count} replicas each, {in_sync(found)} in sync"
    others = len(servers.admin.list_topics(ANCHOR_TOPIC, timeout=5).brokers)
    if count < min(others, 2):
        return warned(
            f"{seen}: with the broker that holds it the shards cannot be assigned",
            "Give it a second replica (kafka-reassign-partitions.sh)",
        )
    return passed(seen)
