"""Each check of the brokers and the topics, with what it is about broken on real brokers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import psycopg
import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclOperation
from confluent_kafka.cimpl import NewTopic

from outbox_worker.doctor.finding import Level
from outbox_worker.doctor.topics import named
from outbox_worker.kafka import brokers
from outbox_worker.local.kafka import KafkaServer
from outbox_worker.settings import ANCHOR_TOPIC
from outbox_worker.stores import doctor as store
from tests.doctor.conftest import Doctor, of
from tests.harness.brokers import own_broker
from tests.harness.rights import GUARD, Rights, on_anchor, on_group, on_topic
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from outbox_worker.doctor.finding import Finding
    from outbox_worker.stores import Connection
    from outbox_worker.stores.doctor import WaitingTopic
    from tests.cli.conftest import CliCluster

ADMIN_S: Final = 60.0
STRICT: Final = {
    "group.min.session.timeout.ms": "70000",
    "transaction.max.timeout.ms": "4000",
    "offset.metadata.max.bytes": "1000",
    "offsets.retention.minutes": "60",
    "broker.session.timeout.ms": "3000",
}
PUBLISH: Final = "SELECT outbox.publish(%s, %s, 'order.placed', to_jsonb(repeat('x', %s)))"


@pytest.fixture(scope="module")
def strict() -> Iterator[KafkaServer]:
    """A broker that allows too little, and asks at its second listener who comes."""
    with own_broker(settings={**GUARD, **STRICT}) as server:
        yield server


def write(connection: Connection, topic: str, key: str | None = "key", size: int = 10) -> None:
    """One event with a payload of about so many bytes."""
    connection.execute(PUBLISH, (topic, key, size))


def make(bootstrap: str, topic: str, placed: list[list[int]], **config: str) -> None:
    """A topic whose partitions lie on these brokers."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "allow.auto.create.topics": False})
    order = NewTopic(topic, len(placed), replica_assignment=placed, config=config)
    admin.create_topics([order])[topic].result(ADMIN_S)
    wait_until(
        lambda: (
            len(admin.list_topics(topic, timeout=ADMIN_S).topics[topic].partitions) == len(placed)
        ),
        ADMIN_S,
        "the topic is known",
    )


def test_brokers_that_do_not_fence_fail(
    cluster: CliCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert of(cluster).look("kafka.version").level is Level.PASS
    monkeypatch.setattr(brokers, "FENCES", 99)
    found = of(cluster).look("kafka.version")
    assert found.level is Level.FAIL
    assert "older than 2.5" in found.seen


@pytest.mark.parametrize(
    ("name", "level", "seen"),
    [
        ("kafka.transactions", Level.WARN, "transaction.max.timeout.ms = 4000"),
        ("kafka.sessions", Level.FAIL, "group.min.session.timeout.ms = 70000"),
        ("kafka.metadata", Level.FAIL, "offset.metadata.max.bytes = 1000"),
        ("kafka.offsets", Level.WARN, "offsets.retention.minutes = 60"),
    ],
)
def test_a_limit_of_the_brokers_that_is_too_low_is_named(
    strict: KafkaServer, database: str, name: str, level: Level, seen: str
) -> None:
    found = Doctor(database, strict.bootstrap).look(name)
    assert found.level is level
    assert seen in found.seen


def test_an_anchor_topic_that_is_missing_or_too_small_fails_with_the_line_that_mends_it(
    strict: KafkaServer, database: str
) -> None:
    doctor = Doctor(database, strict.bootstrap)
    found = doctor.look("kafka.anchor")
    assert found.level is Level.FAIL
    assert f"--topic {ANCHOR_TOPIC} --partitions 16" in found.run[0]
    make(strict.bootstrap, ANCHOR_TOPIC, [[1]] * 5)
    found = doctor.look("kafka.anchor")
    assert found.level is Level.FAIL
    assert "has 5 partitions, not 16" in found.seen


def test_rights_that_are_missing_are_named_with_the_lines_that_grant_them(
    strict: KafkaServer, database: str, connection: Connection, tmp_path: Path
) -> None:
    rights = Rights(strict)
    doctor = Doctor(database, rights.bootstrap)
    kafka_properties = rights.properties(tmp_path)

    def look(name: str) -> Finding:
        return doctor.look(name, kafka_properties=kafka_properties)

    make(strict.bootstrap, "guarded", [[1]])
    write(connection, "guarded")
    found = look("kafka.rights")
    assert (found.level, len(found.run)) == (Level.FAIL, 2)
    assert any("--group outbox-worker" in line for line in found.run)
    assert any(f"--topic {ANCHOR_TOPIC}" in line for line in found.run)
    found = look("topics.rights")
    assert found.level is Level.FAIL
    assert "--operation Write --topic guarded" in found.run[0]
    limits = look("kafka.sessions")
    assert limits.level is Level.SKIPPED
    assert "DescribeConfigs --cluster" in limits.run[0]
    given = on_anchor() | on_group("outbox-worker") | on_topic("guarded", AclOperation.DESCRIBE)
    rights.give(given)
    assert look("kafka.rights").level is Level.PASS
    found = look("topics.rights")
    assert found.level is Level.FAIL
    unread = look("topics.sizes")
    assert unread.level is Level.SKIPPED
    assert "--operation DescribeConfigs --topic guarded" in unread.run[0]
    rights.give(on_topic("guarded", AclOperation.WRITE))
    assert look("topics.rights").level is Level.PASS


def test_every_topic_that_is_missing_is_named_at_once(
    cluster: CliCluster, connection: Connection
) -> None:
    write(connection, cluster.topics[0])
    assert of(cluster).look("topics.exist").level is Level.PASS
    absent = [f"{cluster.name}.absent-{number}" for number in range(5)]
    for topic in absent:
        for key in "abc":
            write(connection, topic, key)
    found = of(cluster).look("topics.exist")
    assert found.level is Level.FAIL
    assert "15 events wait" in found.seen
    assert all(topic in found.seen and topic in found.run[0] for topic in absent)
    shape = {"partitions": 1, "replication": 1}
    assert of(cluster).look("topics.exist", create_topics=shape).level is Level.WARN


def test_of_a_backlog_that_takes_too_long_to_look_at_a_part_is_looked_at(
    cluster: CliCluster, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in "abc":
        write(connection, f"{cluster.name}.absent", key)
    monkeypatch.setattr(named, "MANY", 10**18)
    monkeypatch.setattr(named, "FEW", 2)
    real = store.list_waiting_topics

    def slow(link: Connection, most: int) -> list[WaitingTopic]:
        if most == named.MANY:
            # As the server ends it.
            link.execute("SET LOCAL statement_timeout = 1")
            link.execute("SELECT pg_sleep(1)")
        return real(link, most)

    monkeypatch.setattr(store, "list_waiting_topics", slow)
    found = of(cluster).look("topics.exist")
    assert found.level is Level.FAIL
    assert "2 events wait" in found.seen
    assert "to look at all takes too long" in found.seen


def test_an_event_that_is_too_large_for_its_topic_fails(
    cluster: CliCluster, connection: Connection
) -> None:
    topic = f"{cluster.name}.small"
    cluster.create_topics({topic: 1}, **{"max.message.bytes": "2000"})
    write(connection, topic, size=100)
    assert of(cluster).look("topics.sizes").level is Level.PASS
    write(connection, topic, size=3_000)
    found = of(cluster).look("topics.sizes")
    assert found.level is Level.FAIL
    assert f"{topic} takes 2,000 bytes" in found.seen
    assert "max.message.bytes=4" in found.run[0]
    assert of(cluster).look("topics.sizes", compression="gzip").level is Level.WARN


def test_an_event_without_a_key_for_a_compacted_topic_fails(
    cluster: CliCluster, connection: Connection
) -> None:
    topic = f"{cluster.name}.state"
    cluster.create_topics({topic: 1}, **{"cleanup.policy": "compact"})
    write(connection, topic)
    assert of(cluster).look("topics.compaction").level is Level.PASS
    write(connection, topic, None)
    found = of(cluster).look("topics.compaction")
    assert found.level is Level.FAIL
    assert topic in found.seen


def test_a_topic_that_forgets_sooner_than_the_table_warns_and_at_once_fails(
    cluster: CliCluster, connection: Connection
) -> None:
    topic = f"{cluster.name}.brief"
    cluster.create_topics({topic: 1}, **{"retention.ms": "3600000"})
    write(connection, topic)
    assert of(cluster).look("topics.retention").level is Level.PASS
    connection.execute("SELECT outbox.add_partition((now() AT TIME ZONE 'UTC')::date - 9)")
    found = of(cluster).look("topics.retention")
    assert found.level is Level.WARN
    assert f"{topic} (60 min)" in found.seen
    connection.execute("UPDATE outbox.event SET created_at = now() - interval '2 hours'")
    assert of(cluster).look("topics.retention").level is Level.FAIL
    assert of(cluster).look("topics.retention", timestamp="publish").level is Level.WARN


def test_a_partition_without_a_leader_or_enough_replicas_fails(
    strict: KafkaServer, database: str
) -> None:
    doctor = Doctor(database, strict.bootstrap)
    with KafkaServer(joins=strict) as second, psycopg.connect(database, autocommit=True) as link:
        admin = AdminClient({"bootstrap.servers": strict.bootstrap})
        wait_until(
            lambda: len(admin.list_topics(timeout=ADMIN_S).brokers) == 2, ADMIN_S, "both are there"
        )
        make(strict.bootstrap, "alone", [[1], [2]])
        make(strict.bootstrap, "both", [[1, 2]], **{"min.insync.replicas": "2"})
        make(strict.bootstrap, "either", [[1, 2]])
        write(link, "alone")
        for name in ("topics.leaders", "topics.replicas"):
            assert doctor.look(name).level is Level.PASS
        second.stop()
        wait_until(
            lambda: (
                admin.list_topics("alone", timeout=ADMIN_S).topics["alone"].partitions[1].leader < 0
            ),
            ADMIN_S,
            "Kafka knows of no leader",
        )
        found = doctor.look("topics.leaders")
        assert found.level is Level.FAIL
        assert "alone: 1" in found.seen
        link.execute("DELETE FROM outbox.event")
        write(link, "either")
        assert doctor.look("topics.replicas").level is Level.WARN
        write(link, "both")
        found = doctor.look("topics.replicas")
        assert found.level is Level.FAIL
        assert "both (1 in sync, 2 wanted)" in found.seen
