"""Whether each partition has as many replicas in sync as its topic wants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from confluent_kafka import KafkaError

from outbox_worker.doctor import shape
from outbox_worker.doctor.finding import Finding, failed, passed, skipped, warned
from outbox_worker.doctor.topics import named
from outbox_worker.doctor.words import named as in_words
from outbox_worker.kafka import rights

if TYPE_CHECKING:
    from outbox_worker.doctor.servers import Servers

MOST = 10


def look(servers: Servers) -> Finding:
    """Fails where there are fewer than `min.insync.replicas`: the topic accepts no record."""
    found = {
        name: each
        for name, each in named.there(servers).items()
        if each.partitions and not shape.leaderless(each)
    }
    thin = {
        name: shape.in_sync(each)
        for name, each in found.items()
        if any(len(part.isr) < len(part.replicas) for part in each.partitions)
    }
    settings = servers.once(named.settings)
    short, unread = [], []
    for name, each in found.items():
        told = settings[name]
        if isinstance(told, KafkaError):
            unread.append(name)
        elif shape.in_sync(each) < int(told["min.insync.replicas"]):
            wanted = told["min.insync.replicas"]
            short.append(f"{name} ({shape.in_sync(each)} in sync, {wanted} wanted)")
    if short:
        return failed(
            f"too few replicas: {in_words(short, MOST)}; these topics accept no record",
            "Start the brokers that hold the other replicas, or lower min.insync.replicas",
            "kafka-topics.sh --bootstrap-server BROKER:9092 --describe --under-min-isr-partitions",
        )
    if thin and unread:
        return skipped(
            f"not seen: this user may not read how many {in_words(unread, MOST)} want",
            "Let an administrator grant it: without it one topic with too few delays all",
            rights.on_topic(unread[0], "DescribeConfigs"),
        )
    if thin:
        return warned(
            f"replicas are out of sync: {in_words(list(thin), MOST)}; enough are left",
            "See the brokers that hold them",
            "kafka-topics.sh --bootstrap-server BROKER:9092 --describe "
            "--under-replicated-partitions",
        )
    return passed(f"all of {len(found)} topics are in sync")
