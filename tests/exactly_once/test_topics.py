"""Events that cannot go out: said at once, nothing skipped, everybody else flows."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType

from outbox_worker.settings import LARGEST_EVENT
from tests.harness.subscriber import Subscriber
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from tests.harness.cluster import Cluster
    from tests.harness.machine_pauses import Calm
    from tests.harness.workers import Worker

pytestmark = pytest.mark.slow

INSERT: Final = """
    INSERT INTO outbox.event (topic, key, type, payload)
    VALUES (%(topic)s, %(key)s, 'thing.changed.v1', %(payload)s)"""
HELD: Final = "SELECT shard FROM outbox.shard_state WHERE state = 'held'"
SHORTEN: Final = "UPDATE outbox.event SET payload = %(payload)s WHERE id = %(id)s"
MOVE: Final = """
    UPDATE outbox.event SET topic = %(healthy)s
    WHERE topic = %(topic)s AND (key IS NULL OR octet_length(payload) > 20000)"""
STATES: Final = """
    SELECT told.state, told.reason
    FROM outbox.event CROSS JOIN LATERAL outbox.event_state(event.event_id) AS told
    WHERE topic = %s ORDER BY id"""
ADMIN_S: Final = 60.0


def write(cluster: Cluster, topic: str, key: str, payload: bytes) -> None:
    """One event in a transaction of its own."""
    with psycopg.connect(cluster.url) as connection:
        connection.execute(INSERT, {"topic": topic, "key": key, "payload": payload})


def held(workers: list[Worker], topic: str) -> dict[str, Any]:
    """What the worker said of the event that waits."""
    lines = [
        line
        for worker in workers
        for line in worker.lines()
        if line.get("event") == "shard_held" and line.get("topic") == topic
    ]
    return lines[0] if lines else {}


def states(cluster: Cluster, topic: str) -> list[tuple[str, str | None]]:
    """State and reason of the writer's events for a topic, in their order."""
    with psycopg.connect(cluster.url) as connection:
        return connection.execute(STATES, (topic,)).fetchall()


def test_a_writer_is_told_why_its_event_is_held_and_when_it_is_published(cluster: Cluster) -> None:
    topic = f"{cluster.name}.later"
    cluster.worker()
    cluster.await_shards()
    write(cluster, topic, "waits", b'{"n": 1}')
    write(cluster, topic, "waits", b'{"n": 2}')
    told: list[tuple[str, str | None]] = [
        ("held", "the topic does not exist"),
        ("waiting", "an earlier event of its shard is held"),
    ]
    wait_until(lambda: states(cluster, topic) == told, 30, "the writer sees the states")
    cluster.create_topics({topic: 1})
    told = [("published", None)] * 2
    wait_until(lambda: states(cluster, topic) == told, 60, "the events are published")
    with psycopg.connect(cluster.url) as link:
        wait_until(lambda: link.execute(HELD).rowcount == 0, 20, "none waits")


def test_events_of_a_missing_topic_wait_for_it_and_nobody_else_does(cluster: Cluster) -> None:
    topic = f"{cluster.name}.missing"
    with cluster.workload():
        workers = cluster.workers(2)
        write(cluster, topic, "waits", b'{"n": 1}')
        wait_until(lambda: bool(held(workers, topic)), 5, "a worker says that the topic is missing")
        write(cluster, topic, "waits", b'{"n": 2}')
        cluster.await_more(300)
        said = held(workers, topic)
        assert said["level"] == "error"
        assert "OUTBOX_CREATE_TOPICS" in said["hint"]
        cluster.listen_to({topic: 1})
        wait_until(lambda: cluster.reads(topic) == 2, 20, "the events flow once the topic is there")
    cluster.assert_exactly_once()


def test_a_missing_topic_in_the_middle_of_a_backlog_stops_nobody_else(cluster: Cluster) -> None:
    topic = f"{cluster.name}.missing"
    for n in range(200):
        write(cluster, topic if n == 70 else cluster.topics[0], f"key-{n % 50}", b"{}")
    worker = cluster.worker(batch_rows="30")
    wait_until(lambda: bool(held([worker], topic)), 20, "the worker says that it is missing")
    shard = held([worker], topic)["shard"]
    others = {each for each, row in cluster.rows().items() if row.shard != shard}
    wait_until(lambda: cluster.subscriber.event_ids >= others, 20, "all others are read")
    cluster.listen_to({topic: 1})
    cluster.assert_exactly_once(least=200)


def test_a_missing_topic_is_made_where_the_settings_say_so(cluster: Cluster) -> None:
    topic = f"{cluster.name}.made"
    cluster.worker(create_topics="3:1")
    cluster.await_shards()
    write(cluster, topic, "k", b'{"n": 1}')
    wait_until(lambda: cluster.partitions_of(topic) == 3, 20, "the topic is made")
    cluster.listen_to_existing(topic)
    cluster.assert_exactly_once(least=1)


def test_a_topic_of_a_shape_that_kafka_does_not_make_holds_its_shards_and_no_other(
    cluster: Cluster, calm: Calm
) -> None:
    topic = f"{cluster.name}.shapeless"
    with cluster.workload():
        worker = cluster.worker(create_topics="1:30")
        cluster.await_shards()
        write(cluster, topic, "waits", b'{"n": 1}')
        said = wait_until(lambda: held([worker], topic), 10, "it says why the topic is not made")
        assert "INVALID_REPLICATION_FACTOR" in said["reason"]
        assert f"--create --topic {topic}" in said["hint"]
        assert "OUTBOX_CREATE_TOPICS" in said["hint"]
        cluster.await_new(100)
        assert not worker.said("kafka_away") or not calm
        cluster.listen_to({topic: 1})
        wait_until(lambda: cluster.reads(topic) == 1, 20, "the event flows once the topic is there")
    cluster.assert_exactly_once(least=100)


def test_a_record_that_kafka_refuses_stops_its_shard_loudly_and_no_other(cluster: Cluster) -> None:
    topic = f"{cluster.name}.small"
    cluster.listen_to({topic: 1}, **{"max.message.bytes": "20000"})
    with cluster.workload():
        workers = cluster.workers(2)
        write(cluster, topic, "stuck", b'{"n": 1}')
        write(cluster, topic, "stuck", random.Random(1).randbytes(50_000))
        write(cluster, topic, "stuck", b'{"n": 3}')
        wait_until(lambda: bool(held(workers, topic)), 20, "a worker says what is refused")
        cluster.await_more(300)
        assert cluster.reads(topic) == 1
        said = held(workers, topic)
        assert said["level"] == "error"
        assert "max.message.bytes" in said["hint"]
        let_pass(cluster, topic, 100_000)
        wait_until(lambda: cluster.reads(topic) == 3, 20, "it flows once the topic takes it")
    cluster.assert_exactly_once()


@pytest.mark.parametrize(
    ("config", "refused"),
    [
        ({"max.message.bytes": "20000"}, ("large", random.Random(2).randbytes(50_000))),
        ({"cleanup.policy": "compact"}, (None, b'{"n": 0}')),
    ],
    ids=["too large", "without a key"],
)
def test_a_record_that_kafka_refuses_leaves_few_copies_of_others(
    cluster: Cluster, config: dict[str, str], refused: tuple[str | None, bytes]
) -> None:
    topic, healthy = f"{cluster.name}.picky", cluster.topics[0]
    cluster.listen_to({topic: 2}, **config)
    key, payload = refused
    bad = {"topic": topic, "key": key, "payload": payload}
    with psycopg.connect(cluster.url) as link:
        for n in range(60):
            values = {"topic": (topic, healthy)[n % 2], "key": f"k-{n}", "payload": b"%d" % n}
            link.execute(INSERT, values)
            if n == 30:
                link.execute(INSERT, bad)
    worker = cluster.worker()
    wait_until(lambda: bool(held([worker], topic)), 20, "the record is held")
    before = cluster.rows().keys()
    for n in range(40):
        with psycopg.connect(cluster.url) as link:
            for each in (topic, healthy):
                link.execute(INSERT, {"topic": each, "key": f"later-{n}", "payload": b"{}"})
            link.execute(INSERT, {**bad, "key": key and f"{key}-{n}"})
        wait_until(lambda: read_or_held(cluster), 20, "it is read, or its shard is held")
    with Subscriber(cluster.bootstrap, cluster.topics_read, "read_uncommitted") as raw:
        wait_until(raw.at_the_end, 20, "all is read, and what was aborted")
        sent = tuple(raw.received)
    copies = Counter(record.event_id for record in sent if record.topic == healthy)
    aborted = {each: count - 1 for each, count in copies.items() if count > 1}
    assert not aborted.keys() - before, "what came while a record was held was sent once"
    # Once with the refused record, and once where librdkafka lost count of the partition by it.
    assert max(aborted.values(), default=0) <= 2
    again = len(sent) - len({record.event_id for record in sent})
    assert again <= 6 * len(held_shards(cluster)), "few copies follow from a refusal"
    with psycopg.connect(cluster.url) as link:
        link.execute(MOVE, {"topic": topic, "healthy": healthy})
    cluster.assert_exactly_once(least=181)


def held_shards(cluster: Cluster) -> set[int]:
    """The shards that wait; the log names further ones only every few seconds."""
    with psycopg.connect(cluster.url) as link:
        return {shard for (shard,) in link.execute(HELD)}


def read_or_held(cluster: Cluster) -> bool:
    """Whether all that is written is read, but for shards that are held."""
    shards = held_shards(cluster)
    return cluster.subscriber.has_all(
        each for each, row in cluster.rows().items() if row.shard not in shards
    )


def test_an_event_too_large_for_any_topic_is_not_even_read(cluster: Cluster) -> None:
    topic = f"{cluster.name}.huge"
    cluster.listen_to({topic: 1})
    cluster.take_larger_events()
    with cluster.workload():
        workers = cluster.workers(2)
        write(cluster, topic, "stuck", b'{"n": 1}')
        write(cluster, topic, "stuck", bytes(LARGEST_EVENT + 1))
        write(cluster, topic, "stuck", b'{"n": 3}')
        wait_until(lambda: bool(held(workers, topic)), 30, "a worker says what is too large")
        cluster.await_more(300)
        assert cluster.reads(topic) == 1
        said = held(workers, topic)
        assert f"more than {LARGEST_EVENT:,}" in said["reason"]
        with psycopg.connect(cluster.url) as link:
            changed = link.execute(SHORTEN, {"payload": b'{"n": 2}', "id": said["id"]})
            assert changed.rowcount == 1
        wait_until(lambda: cluster.reads(topic) == 3, 30, "it flows once it was shortened")
    cluster.assert_exactly_once()


def let_pass(cluster: Cluster, topic: str, size: int) -> None:
    """Raise the topic's limit."""
    entry = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    cluster.admin.incremental_alter_configs([resource])[resource].result(ADMIN_S)
