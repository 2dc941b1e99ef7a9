"""A topic that is deleted, made again or widened beside a running worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import psycopg
import pytest
from confluent_kafka.cimpl import NewPartitions

from tests.harness.cluster import free_address
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from tests.harness.cluster import Cluster
    from tests.harness.workers import Worker

pytestmark = pytest.mark.slow

PUBLISH: Final = "SELECT outbox.publish(%s, %s, 'thing.changed.v1', '{}'::jsonb)"
ADMIN_S: Final = 60.0
KEYS: Final = 40
"""So many that every partition gets some."""

NOTICED_S: Final = 10.0
"""Until the topic's events flow again, or are held, and a line names it."""


def publish(cluster: Cluster, topic: str) -> None:
    """An event for each key, in one transaction."""
    with psycopg.connect(cluster.url) as connection:
        for key in range(KEYS):
            connection.execute(PUBLISH, (topic, f"key-{key}"))


def delete(cluster: Cluster, topic: str) -> None:
    """Delete a topic, and wait until it is gone."""
    cluster.admin.delete_topics([topic])[topic].result(ADMIN_S)
    wait_until(lambda: not cluster.partitions_of(topic), ADMIN_S, "the topic is gone")


def await_published(worker: Worker, topic: str, times: int) -> None:
    """Wait until all that was published so many times is in the topic."""
    wait_until(
        lambda: (
            worker.metrics().value("outbox_events_published_total", topic=topic) == times * KEYS
        ),
        NOTICED_S,
        f"the events of round {times} are in the topic",
    )


def at_work(cluster: Cluster, topic: str, partitions: int) -> Worker:
    """A worker that has published to the topic, and had the time to look at it."""
    cluster.create_topics({topic: partitions})
    worker = cluster.worker(http_address=free_address(), log_level="debug")
    cluster.await_shards()
    publish(cluster, topic)
    await_published(worker, topic, 1)
    wait_until(lambda: worker.said("topic_seen", topic=topic), 20, "its shape is known")
    return worker


def test_a_topic_made_again_with_fewer_partitions_stops_nobody(cluster: Cluster) -> None:
    topic = f"{cluster.name}.remade"
    with cluster.workload():
        worker = at_work(cluster, topic, 6)
        delete(cluster, topic)
        cluster.create_topics({topic: 2})
        publish(cluster, topic)
        cluster.await_new(50)
        await_published(worker, topic, 2)
        wait_until(
            lambda: worker.said("topic_recreated", topic=topic, partitions=2, before=6),
            NOTICED_S,
            "a line names it",
        )
    cluster.listen_to_existing(topic)
    wait_until(lambda: cluster.reads(topic) == KEYS, 30, "each event is there once")


def test_a_topic_that_is_deleted_is_held_and_then_goes_on_however_it_is_made(
    cluster: Cluster,
) -> None:
    topic = f"{cluster.name}.remade"
    with cluster.workload():
        worker = at_work(cluster, topic, 3)
        delete(cluster, topic)
        publish(cluster, topic)
        wait_until(lambda: worker.said("shard_held", topic=topic), NOTICED_S, "it is held by name")
        cluster.await_new(50)
        for times, partitions in enumerate((3, 5), 2):
            cluster.create_topics({topic: partitions})
            await_published(worker, topic, times)
            delete(cluster, topic)
            publish(cluster, topic)
        cluster.create_topics({topic: 1})
        await_published(worker, topic, 4)
        order = NewPartitions(topic, 4)
        cluster.admin.create_partitions([order])[topic].result(ADMIN_S)
        wait_until(
            lambda: worker.said("partitions_changed", topic=topic, partitions=4, before=1),
            NOTICED_S,
            "a line names it",
        )
        publish(cluster, topic)
        await_published(worker, topic, 5)
    assert worker.said("topic_recreated", topic=topic)
    cluster.listen_to_existing(topic)
    wait_until(lambda: cluster.reads(topic) == 2 * KEYS, 30, "each event is there once")
