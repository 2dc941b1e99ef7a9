"""A partition whose only replica is down: its events wait, named, and everything else flows."""

from __future__ import annotations

import random
import signal
from itertools import islice
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

    from tests.harness.cluster import Cluster

pytestmark = pytest.mark.slow

INSERT: Final = """
    INSERT INTO outbox.event (topic, key, type, payload)
    VALUES (%(topic)s, %(key)s, 'thing.changed.v1', '{}')"""
ADMIN_S: Final = 60.0
DELIVER_S: Final = 60.0
PARTITIONS: Final = 7
DEADLY: Final = ("further-after-init", "further-after-begin", "further-after-offsets")


def write(cluster: Cluster, topic: str, *keys: str | None) -> None:
    """One event of each key, each in a transaction of its own."""
    with psycopg.connect(cluster.url, autocommit=True) as connection:
        for key in keys:
            connection.execute(INSERT, {"topic": topic, "key": key})


def keys_of(partition: int, partitions: int) -> Iterator[str]:
    """Keys that lie in this partition."""
    keys = (f"key-{n}" for n in range(1_000))
    return (key for key in keys if partition_of(key.encode(), partitions) == partition)


def key_of(partition: int, partitions: int) -> str:
    """A key that lies in this partition."""
    return next(keys_of(partition, partitions))


def half_dead(cluster: Cluster) -> str:
    """A topic whose second partition is on the second broker, and goes with it."""
    topic = f"{cluster.name}.half"
    order = NewTopic(topic, num_partitions=2, replica_assignment=[[1], [2]])
    cluster.admin.create_topics([order])[topic].result(ADMIN_S)
    wait_until(lambda: cluster.partitions_of(topic) == 2, ADMIN_S, "the topic is known")
    cluster.listen_to_existing(topic)
    return topic


def leaderless(cluster: Cluster, topic: str) -> int:
    """How many partitions of the topic have no leader, according to Kafka."""
    found = cluster.admin.list_topics(topic, timeout=ADMIN_S).topics[topic]
    return sum(each.leader < 0 for each in found.partitions.values())


@pytest.fixture
def pair(own_kafka: KafkaServer, own_broker_cluster: Cluster) -> Iterator[KafkaServer]:
    """A second broker beside that of the cluster; what the running worker needs is on the first."""
    own_broker_cluster.workers(1)
    with KafkaServer(joins=own_kafka) as second:
        wait_until(
            lambda: len(own_broker_cluster.admin.list_topics(timeout=ADMIN_S).brokers) == 2,
            ADMIN_S,
            "the second broker is in the cluster",
        )
        yield second
        # In good order: Kafka would take it for alive for 9 s more, and put partitions on it.
        second.stop()
    wait_until(
        lambda: len(own_broker_cluster.admin.list_topics(timeout=ADMIN_S).brokers) == 1,
        ADMIN_S,
        "the second broker has left the cluster",
    )


def test_a_partition_without_a_leader_holds_its_own_events_and_no_others(
    own_broker_cluster: Cluster, pair: KafkaServer
) -> None:
    cluster, worker = own_broker_cluster, own_broker_cluster.started[0]
    topic = half_dead(cluster)
    alive, dead = key_of(0, 2), key_of(1, 2)
    write(cluster, topic, alive, dead)
    wait_until(lambda: cluster.reads(topic) == 2, 30, "both partitions are written")
    pair.kill()
    wait_until(lambda: leaderless(cluster, topic) == 1, ADMIN_S, "Kafka knows of no leader")
    wait_until(lambda: worker.said("leaders_lost"), 30, "the worker knows it too")
    write(cluster, topic, dead)

    def said() -> dict[str, Any]:
        lines = (line for line in worker.lines() if line.get("event") == "shard_held")
        return next((line for line in lines if line.get("topic") == topic), {})

    line = wait_until(said, 30, "the worker says what waits")
    assert line["level"] == "error"
    assert "partitions [1]" in line["reason"]
    assert "--unavailable-partitions" in line["hint"]
    with cluster.workload(seed=2):
        cluster.await_new(300)
    waiting_shard = line["shard"]
    flowing = [row for row in cluster.rows().values() if row.shard != waiting_shard]
    assert len(flowing) >= 300
    free = [key for n in range(200) if partition_of((key := f"free-{n}").encode(), 2) == 0]
    write(cluster, topic, *free[:20], *[None] * 20)
    others = {each for each, row in cluster.rows().items() if row.shard != waiting_shard}
    wait_until(lambda: cluster.subscriber.event_ids >= others, 30, "all other shards are read")
    pair.start()
    cluster.assert_exactly_once(least=300)
    assert worker.said("leaders_back")


def test_a_topic_with_too_few_replicas_in_sync_holds_its_own_events_and_no_others(
    own_broker_cluster: Cluster, pair: KafkaServer
) -> None:
    """It has a leader all the time, which takes no record: it asks for two replicas in sync."""
    cluster, worker = own_broker_cluster, own_broker_cluster.started[0]
    topic = f"{cluster.name}.careful"
    order = NewTopic(
        topic,
        num_partitions=1,
        replica_assignment=[[1, 2]],
        config={"min.insync.replicas": "2"},
    )
    cluster.admin.create_topics([order])[topic].result(ADMIN_S)
    wait_until(lambda: cluster.partitions_of(topic) == 1, ADMIN_S, "the topic is known")
    cluster.listen_to_existing(topic)
    write(cluster, topic, "key")
    wait_until(lambda: cluster.reads(topic) == 1, 30, "the topic is written")
    pair.kill()
    # The event gets into a transaction, or is held before that: as soon as Kafka shows it.
    write(cluster, topic, "key")
    wait_until(lambda: worker.said("replicas_lost"), 60, "the worker knows of the replicas")
    with cluster.workload(seed=4):
        cluster.await_new(300)
    line = next(line for line in worker.lines() if line.get("event") == "replicas_lost")
    assert (line["topic"], line["min_insync"]) == (topic, 2)
    pair.start()
    cluster.assert_exactly_once(least=300)
    wait_until(lambda: cluster.reads(topic) == 2, 60, "its event is read")


def test_a_leader_that_goes_in_the_middle_of_a_transaction_holds_up_its_own_shards_only(
    own_broker_cluster: Cluster, pair: KafkaServer
) -> None:
    """Kafka cannot end that transaction, nor begin another with its id."""
    cluster, worker = own_broker_cluster, own_broker_cluster.started[0]
    topic = half_dead(cluster)
    dead = key_of(1, 2)
    write(cluster, topic, key_of(0, 2), dead)
    wait_until(lambda: cluster.reads(topic) == 2, 30, "both partitions are written")
    pair.kill()
    # Kafka takes its broker for alive for 9 s more: the event gets into a transaction.
    write(cluster, topic, dead)
    wait_until(lambda: worker.said("transaction_undecided"), 60, "the worker leaves the id")
    with cluster.workload(seed=3):
        wait_until(lambda: worker.said("leaders_lost"), 30, "the worker knows of the partition")
        cluster.await_new(300)
    pair.start()
    cluster.assert_exactly_once(least=300)
    # What the transaction held is served again under the id that is in use now.
    wait_until(lambda: cluster.reads(topic) == 3, 60, "its event is read")


def test_workers_are_killed_under_a_further_id(
    own_broker_cluster: Cluster, pair: KafkaServer
) -> None:
    """Each has a transaction that Kafka cannot end, and dies at another step of what comes then."""
    cluster = own_broker_cluster
    victims = [cluster.worker_dying_at(point, nth=1) for point in DEADLY]
    last = cluster.worker_dying_at("further-before-commit", nth=0)
    cluster.await_shards()
    topic = half_dead(cluster)
    keys = list(islice(keys_of(1, 2), 100))
    write(cluster, topic, *keys)
    wait_until(lambda: cluster.reads(topic) == len(keys), 60, "every key is written")
    shards = {row.key: row.shard for row in cluster.rows().values() if row.topic == topic}
    hung = [min(worker.shards) for worker in (*victims, last)]
    pressed = [next(key for key in keys if shards[key] == shard) for shard in hung]
    with cluster.workload(seed=4):
        cluster.await_new(100)
        # For some 9 s Kafka takes its broker for alive: the second events get into transactions.
        write(cluster, topic, *pressed)
        pair.kill()
        write(cluster, topic, *pressed)
        wait_until(lambda: not any(each.alive for each in victims), 60, "three workers die")
        for victim, point in zip(victims, DEADLY, strict=True):
            assert victim.said("transaction_undecided")
            assert victim.said("killed", point=point)
        cluster.await_shards()
        cluster.await_new(200)
        pair.start()
        wait_until(lambda: cluster.reads(topic) == len(keys) + 2 * len(hung), 60, "nothing hangs")
        last.tell(signal.SIGUSR1)
        wait_until(lambda: not last.alive, 60, "the last one dies once its first id is decided")
        assert last.said("transaction_undecided")
        cluster.await_shards()
        cluster.await_new(100)
    cluster.assert_exactly_once()


def test_a_key_lies_where_librdkafka_puts_it(cluster: Cluster) -> None:
    topic = f"{cluster.name}.keys"
    cluster.create_topics({topic: PARTITIONS})
    source = random.Random(7)
    keys = [b"", b"k", *(source.randbytes(source.randrange(1, 40)) for _ in range(400))]
    put: dict[bytes, int | None] = {}

    def note(error: KafkaError | None, message: Message) -> None:
        assert error is None, error
        put[bytes(message.key() or b"")] = message.partition()

    config = {"bootstrap.servers": cluster.bootstrap, "partitioner": "murmur2_random"}
    producer = Producer({**config, "linger.ms": 5})
    for key in keys:
        producer.produce(topic, b"", key, on_delivery=note)
    assert producer.flush(DELIVER_S) == 0
    assert {key: partition_of(key, PARTITIONS) for key in keys} == put
