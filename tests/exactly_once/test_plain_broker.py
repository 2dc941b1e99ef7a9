"""A broker as Kafka comes: it makes a topic for everybody who asks for it, with one partition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import psycopg
import pytest
from confluent_kafka.cimpl import NewPartitions
from pydantic import SecretStr

from outbox_worker.errors import SettingsError
from outbox_worker.kafka import anchor
from outbox_worker.kafka.admin import partitions_of
from outbox_worker.kafka.clients import make_admin
from outbox_worker.settings import ANCHOR_TOPIC, SHARDS, Settings
from tests.cli.conftest import run_command
from tests.harness.brokers import own_broker
from tests.harness.cluster import Cluster, showing_logs
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from outbox_worker.local.kafka import KafkaServer
    from tests.harness.workers import Worker

pytestmark = pytest.mark.slow

PUBLISH: Final = "SELECT outbox.publish(%s, %s, 'thing.changed.v1', '{}'::jsonb)"
ADMIN_S: Final = 60.0


@pytest.fixture(scope="module")
def plain_kafka() -> Iterator[KafkaServer]:
    """A broker with nothing set but what one node needs."""
    with own_broker(as_it_comes=True) as server:
        yield server


@pytest.fixture
def plain(database: str, plain_kafka: KafkaServer, tmp_path: Path) -> Iterator[Cluster]:
    """A cluster on it, where nobody has asked for the topic of the shards yet."""
    with showing_logs(Cluster(database, plain_kafka.bootstrap, tmp_path)) as cluster:
        delete(cluster, ANCHOR_TOPIC)
        yield cluster


def delete(cluster: Cluster, topic: str) -> None:
    """See that a topic is not there."""
    if topic in topics(cluster):
        cluster.admin.delete_topics([topic])[topic].result(ADMIN_S)
        wait_until(lambda: topic not in topics(cluster), ADMIN_S, "the topic is gone")


def topics(cluster: Cluster) -> set[str]:
    """All topics but Kafka's own."""
    found = cluster.admin.list_topics(timeout=ADMIN_S).topics
    return {each for each in found if not each.startswith("__")}


def publish(cluster: Cluster, topic: str, key: str = "key") -> None:
    """One event in a transaction of its own."""
    with psycopg.connect(cluster.url) as connection:
        connection.execute(PUBLISH, (topic, key))


def held(worker: Worker, topic: str) -> bool:
    """Whether the worker says that an event waits for this topic."""
    return worker.said("shard_held", topic=topic)


def test_the_first_worker_makes_a_partition_for_each_shard(plain: Cluster) -> None:
    with plain.workload():
        first, _ = plain.workers(2)
        assert plain.partitions_of(ANCHOR_TOPIC) == SHARDS
        plain.await_more(200)
        first.kill()
        plain.worker()
        plain.await_new(200)
    plain.assert_exactly_once()


def test_no_command_makes_a_topic_by_asking_for_it(plain: Cluster) -> None:
    missing = f"{plain.name}.missing"
    publish(plain, missing)
    before = topics(plain)
    for command in (("tail", missing), ("verify",), ("rebase",), ("status",)):
        done = run_command(*command, **plain.settings)
        # No worker runs, and status says so.
        assert done.returncode == {"tail": 3, "status": 1}.get(command[0], 0), done.stderr
        assert topics(plain) == before, command
    worker = plain.worker()
    wait_until(lambda: held(worker, missing), 30, "the event is held")
    assert topics(plain) == before | {ANCHOR_TOPIC}
    plain.listen_to({missing: 2})
    plain.assert_exactly_once(least=1)


def test_a_topic_that_somebody_else_made_in_between_is_looked_at(
    plain: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(database_url=SecretStr(plain.url), kafka_bootstrap_servers=plain.bootstrap)
    plain.create_topics({ANCHOR_TOPIC: 1})
    looks = iter([0])
    count = partitions_of
    monkeypatch.setattr(anchor, "partitions_of", lambda *asked: next(looks, None) or count(*asked))
    with pytest.raises(SettingsError, match="has 1 partitions, not 16") as caught:
        anchor.ensure_topic(make_admin(settings))
    assert "--alter --topic outbox.shards --partitions 16" in caught.value.hint
    done = run_command("run", **plain.settings)
    assert done.returncode == 2
    assert "--alter --topic outbox.shards --partitions 16" in done.stderr
    order = NewPartitions(ANCHOR_TOPIC, SHARDS)
    plain.admin.create_partitions([order])[ANCHOR_TOPIC].result(ADMIN_S)
    publish(plain, plain.topics[0])
    plain.worker()
    plain.assert_exactly_once(least=1)


def test_a_worker_ends_where_shards_are_left_without_a_partition(plain: Cluster) -> None:
    worker = plain.worker()
    plain.await_shards()
    delete(plain, ANCHOR_TOPIC)
    plain.create_topics({ANCHOR_TOPIC: 1})
    with plain.workload():
        wait_until(lambda: not worker.alive, 40, "the worker does not continue with one shard")
    assert worker.await_end() == 2
    said = [line for line in worker.lines() if line.get("event") == "loop_failed"]
    assert "has 1 partitions, not 16" in said[0]["error"]
    plain.started.clear()
