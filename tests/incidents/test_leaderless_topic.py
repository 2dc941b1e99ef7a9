"""The broker with the only replicas of a partition dies: its events wait, all else flows."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

import psycopg
import pytest
from confluent_kafka.cimpl import NewTopic

from outbox_worker.local.kafka import KafkaServer
from tests.cli.conftest import CliCluster
from tests.harness.brokers import own_broker
from tests.harness.cluster import free_address, showing_logs
from tests.harness.incident import Paged
from tests.harness.tools import scripts
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

INSERT: Final = """
    INSERT INTO outbox.event (topic, key, type, payload)
    VALUES (%(topic)s, %(key)s, 'thing.changed.v1', '{}')"""
ADMIN_S: Final = 60.0


@pytest.fixture
def first() -> Iterator[KafkaServer]:
    """The broker that lives on."""
    with own_broker() as server:
        yield server


@pytest.fixture
def cluster(database: str, first: KafkaServer, tmp_path: Path) -> Iterator[CliCluster]:
    """With a worker, so that all that they need is on the broker that lives on."""
    with showing_logs(CliCluster(database, first.bootstrap, tmp_path)) as cluster:
        cluster.worker(http_address=free_address())
        cluster.await_shards()
        cluster.write(*"abc")
        cluster.await_caught_up()
        yield cluster


@pytest.fixture
def second(cluster: CliCluster, first: KafkaServer) -> Iterator[KafkaServer]:
    """The broker that dies."""
    with KafkaServer(joins=first) as server:
        wait_until(
            lambda: len(cluster.admin.list_topics(timeout=ADMIN_S).brokers) == 2,
            ADMIN_S,
            "the second broker is in the cluster",
        )
        yield server
        # In good order: Kafka would take it for alive for 9 s more.
        server.stop()


def write(cluster: CliCluster, topic: str, *keys: str | None) -> None:
    """One event of each key, each in a transaction of its own."""
    with psycopg.connect(cluster.url, autocommit=True) as link:
        for key in keys:
            link.execute(INSERT, {"topic": topic, "key": key})


def start_when_told(server: KafkaServer, told: Path) -> threading.Thread:
    """Stands for the machine of the broker: the script there starts it."""

    def start() -> None:
        wait_until(told.exists, ADMIN_S, "the broker is to start")
        server.start()

    thread = threading.Thread(target=start)
    thread.start()
    return thread


def test_its_events_leave_the_way_and_go_out_once_the_broker_is_back(
    cluster: CliCluster, second: KafkaServer, tmp_path: Path
) -> None:
    tools, told = scripts(tmp_path), tmp_path / "told"
    starter = tools / "kafka-server-start.sh"
    starter.write_text(f'#!/bin/sh\nexec touch "{told}"\n')
    starter.chmod(0o755)
    paged, topic, (worker,) = Paged(cluster, tools), f"{cluster.name}.half", cluster.started
    order = NewTopic(topic, num_partitions=1, replica_assignment=[[2]])
    cluster.admin.create_topics([order])[topic].result(ADMIN_S)
    wait_until(lambda: cluster.partitions_of(topic) == 1, ADMIN_S, "the topic is known")
    cluster.listen_to_existing(topic)
    write(cluster, topic, "k")
    wait_until(lambda: cluster.reads(topic) == 1, 30, "it is written")
    second.kill()
    wait_until(lambda: worker.said("leaders_lost"), 60, "the worker knows it")
    with cluster.workload():
        write(cluster, topic, "k", "l", None, "k")
        paged.hears("OutboxShardsHeld", worker)
        paged.sees("held", "partitions [0]", "--unavailable-partitions")
        (line,) = paged.is_told("topics.leaders")["run"]
        assert "--unavailable-partitions" in line
        paged.runs("OutboxShardsHeld", {"TOPIC": topic}, part=0)
        cluster.await_new(300)
        others = {each for each, row in cluster.rows().items() if row.topic != topic}
        wait_until(lambda: cluster.subscriber.event_ids >= others, 60, "all else is read")
        assert cluster.reads(topic) == 1
        broker = start_when_told(second, told)
        filled = {"TOPIC": topic, "BROKER:9092": cluster.bootstrap}
        said = paged.runs("OutboxShardsHeld", filled, part=1)
        broker.join()
    assert f"Topic: {topic}" in said
    assert "Replicas: 2" in said
    paged.is_done()
    cluster.assert_exactly_once(least=300)
    assert cluster.reads(topic) == 5
