"""A partition whose only replica is down: its events wait, named, and everything else flows."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest
from confluent_kafka import Producer
from confluent_kafka.cimpl import NewTopic

from outbox_worker.local.kafka import KafkaServer
from outbox_worker.relay.leaders import partition_of
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from confluent_kafka import KafkaError, Message

    from tests.harness.scene import Scene

pytestmark = pytest.mark.slow

INSERT: Final = """
    INSERT INTO outbox.event (topic, key, type, payload)
    VALUES (%(topic)s, %(key)s, 'thing.changed.v1', '{}')"""
ADMIN_S: Final = 60.0
DELIVER_S: Final = 60.0
PARTITIONS: Final = 7


def write(scene: Scene, topic: str, *keys: str | None) -> None:
    """One event of each key, each in a transaction of its own."""
    with psycopg.connect(scene.url, autocommit=True) as connection:
        for key in keys:
            connection.execute(INSERT, {"topic": topic, "key": key})


def key_of(partition: int, partitions: int) -> str:
    """A key that lies in this partition."""
    keys = (f"key-{n}" for n in range(1_000))
    return next(key for key in keys if partition_of(key.encode(), partitions) == partition)


def leaderless(scene: Scene, topic: str) -> int:
    """How many partitions of the topic have no leader, according to Kafka."""
    found = scene.admin.list_topics(topic, timeout=ADMIN_S).topics[topic]
    return sum(each.leader < 0 for each in found.partitions.values())


@pytest.fixture
def pair(own_kafka: KafkaServer, own_broker_scene: Scene) -> Iterator[KafkaServer]:
    """A second broker beside that of the scene; what the running worker needs is on the first."""
    own_broker_scene.workers(1)
    with KafkaServer(joins=own_kafka) as second:
        wait_until(
            lambda: len(own_broker_scene.admin.list_topics(timeout=ADMIN_S).brokers) == 2,
            ADMIN_S,
            "the second broker is in the cluster",
        )
        yield second


def test_a_partition_without_a_leader_holds_its_own_events_and_no_others(
    own_broker_scene: Scene, pair: KafkaServer
) -> None:
    scene, worker = own_broker_scene, own_broker_scene.crew[0]
    topic = f"{scene.name}.half"
    order = NewTopic(topic, num_partitions=2, replica_assignment=[[1], [2]])
    scene.admin.create_topics([order])[topic].result(ADMIN_S)
    wait_until(lambda: scene.partitions_of(topic) == 2, ADMIN_S, "the topic is known")
    scene.listen_to_made(topic)
    alive, dead = key_of(0, 2), key_of(1, 2)
    write(scene, topic, alive, dead)
    wait_until(lambda: scene.reads(topic) == 2, 30, "both partitions are written")
    pair.kill()
    wait_until(lambda: leaderless(scene, topic) == 1, ADMIN_S, "Kafka knows of no leader")
    wait_until(lambda: worker.said("leaders_lost"), 30, "the worker knows it too")
    write(scene, topic, dead)

    def said() -> dict[str, Any]:
        lines = (line for line in worker.lines() if line.get("event") == "shard_held")
        return next((line for line in lines if line.get("topic") == topic), {})

    line = wait_until(said, 30, "the worker says what waits")
    assert line["level"] == "error"
    assert "partitions [1]" in line["reason"]
    assert "--unavailable-partitions" in line["way_out"]
    with scene.workload(seed=2):
        scene.await_new(300)
    waiting_shard = line["shard"]
    flowing = [row for row in scene.rows().values() if row.shard != waiting_shard]
    assert len(flowing) >= 300
    free = [key for n in range(200) if partition_of((key := f"free-{n}").encode(), 2) == 0]
    write(scene, topic, *free[:20], *[None] * 20)
    others = {each for each, row in scene.rows().items() if row.shard != waiting_shard}
    wait_until(lambda: scene.subscriber.event_ids >= others, 30, "all other shards are read")
    pair.start()
    scene.prove(least=300)
    assert worker.said("leaders_back")


def test_a_leader_that_goes_in_the_middle_of_a_transaction_holds_up_its_own_shards_only(
    own_broker_scene: Scene, pair: KafkaServer
) -> None:
    """Kafka cannot end that transaction, nor begin another with its id."""
    scene, worker = own_broker_scene, own_broker_scene.crew[0]
    topic = f"{scene.name}.half"
    order = NewTopic(topic, num_partitions=2, replica_assignment=[[1], [2]])
    scene.admin.create_topics([order])[topic].result(ADMIN_S)
    wait_until(lambda: scene.partitions_of(topic) == 2, ADMIN_S, "the topic is known")
    scene.listen_to_made(topic)
    dead = key_of(1, 2)
    write(scene, topic, key_of(0, 2), dead)
    wait_until(lambda: scene.reads(topic) == 2, 30, "both partitions are written")
    pair.kill()
    # Kafka takes its broker for alive for 9 s more: the event gets into a transaction.
    write(scene, topic, dead)
    wait_until(lambda: worker.said("transaction_undecided"), 60, "the worker leaves the id")
    with scene.workload(seed=3):
        wait_until(lambda: worker.said("leaders_lost"), 30, "the worker knows of the partition")
        scene.await_new(300)
    pair.start()
    scene.prove(least=300)
    # What the transaction held is served again under the id that is in use now.
    wait_until(lambda: scene.reads(topic) == 3, 60, "its event is read")


def test_a_key_lies_where_librdkafka_puts_it(scene: Scene) -> None:
    topic = f"{scene.name}.keys"
    scene.create_topics({topic: PARTITIONS})
    source = random.Random(7)
    keys = [b"", b"k", *(source.randbytes(source.randrange(1, 40)) for _ in range(400))]
    put: dict[bytes, int | None] = {}

    def note(error: KafkaError | None, message: Message) -> None:
        assert error is None, error
        put[bytes(message.key() or b"")] = message.partition()

    config = {"bootstrap.servers": scene.bootstrap, "partitioner": "murmur2_random"}
    producer = Producer({**config, "linger.ms": 5})
    for key in keys:
        producer.produce(topic, b"", key, on_delivery=note)
    assert producer.flush(DELIVER_S) == 0
    assert {key: partition_of(key, PARTITIONS) for key in keys} == put
