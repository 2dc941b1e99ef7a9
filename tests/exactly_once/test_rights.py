"""Kafka refuses a right: it is named with the hint, nothing is skipped, all else flows.

The rights that a worker needs are those of docs/operations.md: these clusters begin with
these and no others.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest
from confluent_kafka.admin._acl import AclOperation

from outbox_worker.settings import ANCHOR_TOPIC, SHARDS
from tests.harness.cluster import free_address
from tests.harness.rights import on_anchor, on_events, on_group, on_topic, on_transactions, only
from tests.harness.waiting import patient, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.cluster import Cluster
    from tests.harness.machine_pauses import Calm
    from tests.harness.rights import Right, Rights
    from tests.harness.workers import Worker

pytestmark = pytest.mark.slow

INSERT: Final = """
    INSERT INTO outbox.event (topic, key, type, payload)
    SELECT %(topic)s, 'k' || n %% 3, 'thing.changed.v1', '1'
      FROM generate_series(1, %(count)s) AS n"""

ADMIN_S: Final = 60.0
SAY_S: Final = 10.0
FLOW_S: Final = 20.0
START_S: Final = 60.0

REFUSED_S: Final = 3.0
MOST_QUESTIONS: Final = 12
"""So often at most Kafka is asked for the positions while it refuses for so long."""


@pytest.fixture
def allowed(guarded_cluster: Cluster, rights: Rights) -> Cluster:
    """A cluster whose workers have the rights that they need."""
    cluster = guarded_cluster
    if cluster.partitions_of(ANCHOR_TOPIC) == 0:
        cluster.create_topics({ANCHOR_TOPIC: SHARDS})
    rights.give(on_anchor() | on_group(cluster.name) | on_transactions(cluster.name))
    for topic in cluster.topics:
        rights.give(on_events(topic))
    return cluster


@pytest.fixture
def anchorless(guarded_cluster: Cluster) -> Iterator[Cluster]:
    """A cluster on a broker that has no topic of the shards, neither before nor after."""
    remove_anchor(guarded_cluster)
    yield guarded_cluster
    remove_anchor(guarded_cluster)


def remove_anchor(cluster: Cluster) -> None:
    if cluster.partitions_of(ANCHOR_TOPIC):
        cluster.admin.delete_topics([ANCHOR_TOPIC])[ANCHOR_TOPIC].result(ADMIN_S)
        wait_until(lambda: cluster.partitions_of(ANCHOR_TOPIC) == 0, ADMIN_S, "the topic is gone")


def write(cluster: Cluster, topic: str, count: int = 1) -> None:
    """Events of three keys at most, so that most shards have none, in one transaction."""
    with psycopg.connect(cluster.url) as connection:
        connection.execute(INSERT, {"topic": topic, "count": count})


def lines(worker: Worker, event: str) -> list[dict[str, Any]]:
    """What a worker said under this name."""
    return [line for line in worker.lines() if line.get("event") == event]


def held(worker: Worker, topic: str) -> list[dict[str, Any]]:
    """What it said of events of a topic that wait."""
    return [line for line in lines(worker, "shard_held") if line["topic"] == topic]


@pytest.mark.parametrize(
    ("operations", "count"),
    [
        ((AclOperation.WRITE,), 3),
        ((AclOperation.WRITE, AclOperation.DESCRIBE), 3),
        ((AclOperation.WRITE,), 8_000),
    ],
    ids=["described", "not described", "refused while records are produced"],
)
def test_a_topic_that_may_not_be_written_holds_its_shards_and_no_other(
    allowed: Cluster, rights: Rights, calm: Calm, operations: tuple[AclOperation, ...], count: int
) -> None:
    cluster, topic = allowed, f"{allowed.name}.closed"
    cluster.listen_to({topic: 2})
    rights.give(on_events(topic))
    with cluster.workload():
        (worker,) = cluster.workers(1)
        write(cluster, topic)
        wait_until(lambda: cluster.reads(topic) == 1, FLOW_S, "events of the topic flow")
        taken = on_topic(topic, *operations)
        rights.take(taken)
        write(cluster, topic, count)
        said = wait_until(lambda: held(worker, topic), SAY_S, "it says what may not be written")[0]
        assert said["level"] == "error"
        assert said["reason"].startswith("TOPIC_AUTHORIZATION_FAILED")
        assert f"--operation Write --topic {topic}" in said["hint"]
        cluster.await_new(50)
        assert len(lines(worker, "asking_kafka")) < MOST_QUESTIONS or not calm
        assert not lines(worker, "kafka_refuses"), "nothing is refused to the worker as a whole"
        assert cluster.reads(topic) == 1
        rights.give(taken)
        wait_until(lambda: cluster.reads(topic) == 1 + count, FLOW_S, "they flow once they may")
    cluster.assert_exactly_once(least=60)


@pytest.mark.parametrize(
    ("resource", "operation", "words"),
    [
        ("group", AclOperation.READ, "--operation Read --group {}"),
        ("transactions", AclOperation.WRITE, "--operation Write --transactional-id {}. "),
        ("anchor", AclOperation.READ, f"--operation Read --topic {ANCHOR_TOPIC}"),
    ],
    ids=["group", "transactional id", "topic of the shards"],
)
def test_a_right_that_nothing_goes_without_is_named_once_and_waited_for(
    allowed: Cluster, rights: Rights, calm: Calm, resource: str, operation: AclOperation, words: str
) -> None:
    cluster = allowed
    worker = cluster.worker(http_address=free_address())
    write(cluster, cluster.topics[0])
    cluster.await_caught_up()
    taken = only(operation, needs(cluster)[resource])
    rights.take(taken)
    write(cluster, cluster.topics[0], 20)
    said = wait_until(lambda: lines(worker, "kafka_refuses"), SAY_S, "it says what is refused")[0]
    since = time.monotonic()
    assert said["level"] == "error"
    assert "AUTHORIZATION_FAILED" in said["error"]
    assert words.format(cluster.name) in said["hint"]
    wait_until(lambda: worker.ready()[0] == 503, SAY_S, "/readyz says that it is not ready")
    assert "AUTHORIZATION_FAILED" in worker.ready()[1]
    wait_until(lambda: time.monotonic() - since > REFUSED_S, REFUSED_S + 1, "it was refused long")
    most = MOST_QUESTIONS * max(1, (time.monotonic() - since) / REFUSED_S)
    assert len(lines(worker, "asking_kafka")) < most
    rights.give(taken)
    cluster.await_caught_up(FLOW_S)
    wait_until(lambda: worker.ready()[0] == 200, SAY_S, "/readyz says that it is ready")
    # Where Kafka was away in between, it is said again.
    assert len(lines(worker, "kafka_refuses")) == 1 or not calm
    assert not lines(worker, "shard_held"), "no event and no topic is to blame"
    cluster.assert_exactly_once(least=21)


def needs(cluster: Cluster) -> dict[str, frozenset[Right]]:
    """By resource what a worker cannot do without."""
    return {
        "group": on_group(cluster.name),
        "transactions": on_transactions(cluster.name),
        "anchor": on_anchor(),
    }


def test_a_worker_that_starts_without_rights_goes_on_with_each_that_it_gets(
    allowed: Cluster, rights: Rights
) -> None:
    cluster, worker_needs = allowed, needs(allowed)
    rights.take(worker_needs["group"] | worker_needs["transactions"])
    worker = cluster.worker()
    write(cluster, cluster.topics[0])
    for resource, words in (("group", "--group "), ("transactions", "--transactional-id ")):
        await_refusal(worker, words + cluster.name)
        rights.give(worker_needs[resource])
    cluster.assert_exactly_once(least=1)


def await_refusal(worker: Worker, words: str) -> None:
    """Wait until it says that a right is refused, and in the hint these words."""
    wait_until(
        lambda: any(words in line["hint"] for line in lines(worker, "kafka_refuses")),
        SAY_S,
        f"a hint with {words}",
    )


def test_a_topic_that_may_not_be_made_holds_its_shards_and_no_other(
    allowed: Cluster, rights: Rights
) -> None:
    cluster, topic = allowed, f"{allowed.name}.unmade"
    rights.give(on_events(topic))
    with cluster.workload():
        worker = cluster.worker(create_topics="2:1")
        cluster.await_shards()
        write(cluster, topic, 3)
        said = wait_until(lambda: held(worker, topic), SAY_S, "it says what may not be made")[0]
        assert said["level"] == "error"
        assert "TOPIC_AUTHORIZATION_FAILED" in said["reason"]
        assert f"--operation Create --topic {topic}" in said["hint"]
        assert (
            f"kafka-topics.sh --bootstrap-server BROKER:9092 --create --topic {topic}"
            in said["hint"]
        )
        cluster.await_new(50)
        rights.give(on_topic(topic, AclOperation.CREATE))
        wait_until(lambda: cluster.partitions_of(topic) == 2, FLOW_S, "the topic is made")
        cluster.listen_to_existing(topic)
        wait_until(lambda: cluster.reads(topic) == 3, FLOW_S, "its events flow")
    cluster.assert_exactly_once(least=50)


def test_a_topic_of_the_shards_that_we_may_not_know_of(anchorless: Cluster) -> None:
    text = refused_start(anchorless, 3)
    assert f"--operation Describe --operation Read --topic {ANCHOR_TOPIC}" in text
    assert f"--create --topic {ANCHOR_TOPIC} --partitions {SHARDS}" in text


def test_a_topic_of_the_shards_that_is_absent_and_may_not_be_made(
    anchorless: Cluster, rights: Rights
) -> None:
    rights.give(on_anchor())
    text = refused_start(anchorless, 3)
    assert f"--create --topic {ANCHOR_TOPIC} --partitions {SHARDS}" in text
    assert f"--operation Create --topic {ANCHOR_TOPIC}" in text


def test_a_topic_of_the_shards_that_is_absent_is_made_where_that_is_allowed(
    anchorless: Cluster, rights: Rights
) -> None:
    cluster = anchorless
    rights.give(on_anchor() | on_topic(ANCHOR_TOPIC, AclOperation.CREATE))
    rights.give(
        on_group(cluster.name) | on_transactions(cluster.name) | on_events(cluster.topics[0])
    )
    cluster.worker()
    write(cluster, cluster.topics[0])
    cluster.assert_exactly_once(least=1)
    assert cluster.partitions_of(ANCHOR_TOPIC) == SHARDS


@pytest.mark.parametrize(("partitions", "words"), [(4, "--alter"), (20, "delete")])
def test_a_topic_of_the_shards_with_another_number_of_partitions(
    anchorless: Cluster, rights: Rights, partitions: int, words: str
) -> None:
    anchorless.create_topics({ANCHOR_TOPIC: partitions})
    rights.give(on_anchor())
    text = refused_start(anchorless, 2)
    assert f"{ANCHOR_TOPIC} has {partitions} partitions, not {SHARDS}" in text
    assert words in text


def refused_start(cluster: Cluster, code: int) -> str:
    """Start a worker, see that it ends with this code and one message, and return that."""
    worker = cluster.worker()
    assert worker.process.wait(patient(START_S)) == code
    text = worker.log.read_text()
    assert text.count("error: ") == 1
    assert "Traceback" not in text
    return " ".join(text.split())
