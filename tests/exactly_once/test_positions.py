"""Positions that somebody else wrote, and those of shards that have no events."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Final

import psycopg
import pytest
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, TopicPartition

from outbox_worker.postgres import database as connections
from outbox_worker.published.committed import from_mirror
from outbox_worker.settings import ANCHOR_TOPIC, SHARDS
from outbox_worker.stores import mirror
from tests.harness.lost_history import rebase, refusing_worker
from tests.harness.tools import describe_group
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from tests.harness.cluster import Cluster

pytestmark = pytest.mark.slow

ADMIN_S: Final = 60.0

PUBLISH: Final = "SELECT outbox.publish(%(topic)s, %(key)s, 'thing.changed.v1', '{}')"

USE_UP_XIDS: Final = """
    DO $$
    BEGIN
        CREATE TEMP TABLE used (n int);
        FOR n IN 1..110000 LOOP
            BEGIN
                INSERT INTO used VALUES (n);
            EXCEPTION WHEN division_by_zero THEN NULL;
            END;
        END LOOP;
    END $$"""


def commit_by_hand(cluster: Cluster) -> None:
    """What a tool of somebody else may leave."""
    config = {"bootstrap.servers": cluster.bootstrap, "group.id": cluster.name}
    with closing(Consumer(config)) as consumer:
        place = TopicPartition(ANCHOR_TOPIC, 3, 7, metadata="by hand")
        consumer.commit(offsets=[place], asynchronous=False)


def test_positions_that_no_worker_wrote_are_refused_until_rebase(cluster: Cluster) -> None:
    """Those that a tool reset: tests/incidents/test_offsets.py."""
    with cluster.workload():
        cluster.workers(2)
        cluster.await_more(300)
    cluster.await_caught_up()
    cluster.stop_all()
    wait_until(lambda: not members(cluster), 60, "the group is empty")
    commit_by_hand(cluster)
    with cluster.workload(seed=2):
        worker = refusing_worker(cluster)
        assert any("not of this program" in str(line.get("error")) for line in worker.lines())
        rebase(cluster, worker)
        cluster.workers(1)
        cluster.await_more(200)
    cluster.assert_exactly_once()


def test_the_group_shows_no_lag(cluster: Cluster) -> None:
    with cluster.workload():
        cluster.workers(2)
        cluster.await_more(300)
    running = describe_group(cluster.bootstrap, cluster.name)
    assert lags(running) == dict.fromkeys(range(SHARDS), "0")
    assert {row["CLIENT-ID"].partition(".")[0] for row in running} == {cluster.name}
    cluster.assert_exactly_once()
    stopped = describe_group(cluster.bootstrap, cluster.name)
    assert lags(stopped) == dict.fromkeys(range(SHARDS), "0")
    assert {row["CONSUMER-ID"] for row in stopped} == {"-"}


def lags(rows: list[dict[str, str]]) -> dict[int, str]:
    """By shard, what the column LAG says."""
    assert {row["TOPIC"] for row in rows} == {ANCHOR_TOPIC}
    return {int(row["PARTITION"]): row["LAG"] for row in rows}


def test_positions_whose_offsets_are_the_counters_are_read(cluster: Cluster) -> None:
    """As the first versions wrote them."""
    with cluster.workload():
        cluster.workers(2)
        cluster.await_more(300)
    cluster.await_caught_up()
    cluster.stop_all()
    wait_until(lambda: not members(cluster), 60, "the group is empty")
    with connections.connect(cluster.url, application="tests") as link:
        rows = mirror.list_positions(link)
    config = {"bootstrap.servers": cluster.bootstrap, "group.id": cluster.name}
    with closing(Consumer(config)) as consumer:
        places = [TopicPartition(ANCHOR_TOPIC, row.shard, row.batch, row.position) for row in rows]
        consumer.commit(offsets=places, asynchronous=False)
    assert max(committed(cluster).values()) > 1
    with cluster.workload(seed=2):
        cluster.workers(2)
        cluster.await_more(200)
    cluster.assert_exactly_once()
    assert set(committed(cluster).values()) <= {0} | {row.batch for row in rows}


def committed(cluster: Cluster) -> dict[int, int]:
    """By shard, the offset that the group keeps."""
    order = [ConsumerGroupTopicPartitions(cluster.name)]
    found = cluster.admin.list_consumer_group_offsets(order)[cluster.name].result(ADMIN_S)
    return {place.partition: place.offset for place in found.topic_partitions}


def members(cluster: Cluster) -> int:
    """How many members the group has."""
    future = cluster.admin.describe_consumer_groups([cluster.name])[cluster.name]
    return len(future.result(ADMIN_S).members)


def test_shards_without_events_get_positions_of_today(cluster: Cluster) -> None:
    with psycopg.connect(cluster.url, autocommit=True) as link:
        for n in range(100):
            link.execute(PUBLISH, {"topic": cluster.topics[0], "key": f"early-{n}"})
        cluster.workers(1)
        cluster.await_caught_up()
        cluster.stop_all()
        before = borders(cluster)
        link.execute(USE_UP_XIDS)
        link.execute(PUBLISH, {"topic": cluster.topics[0], "key": "late"})
        ((late,),) = link.execute("SELECT max(xid::text::bigint) FROM outbox.event").fetchall()
        assert max(before) < late - 100_000
        cluster.workers(1)
        wait_until(lambda: min(borders(cluster)) > late, 30, "all positions are of today")
        for n in range(100):
            link.execute(PUBLISH, {"topic": cluster.topics[0], "key": f"early-{n}"})
        cluster.workers(1)
        for n in range(100):
            link.execute(PUBLISH, {"topic": cluster.topics[0], "key": f"early-{n}"})
    cluster.assert_exactly_once(least=301)


def borders(cluster: Cluster) -> list[int]:
    """By shard, up to which xid its position in the mirror says what is published."""
    with connections.connect(cluster.url, application="tests") as link:
        rows = mirror.list_positions(link)
    return [from_mirror(row).position.seen.xmax for row in rows]
