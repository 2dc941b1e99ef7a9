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
from tests.harness.history import rebase, refusing_worker
from tests.harness.tools import describe_group
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from tests.harness.scene import Scene

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


def reset_offsets(scene: Scene) -> None:
    """What `kafka-consumer-groups.sh --reset-offsets --to-earliest` does to some of them."""
    places = [TopicPartition(ANCHOR_TOPIC, shard, 0) for shard in range(0, 16, 2)]
    order = [ConsumerGroupTopicPartitions(scene.name, places)]
    scene.admin.alter_consumer_group_offsets(order)[scene.name].result(ADMIN_S)


def commit_by_hand(scene: Scene) -> None:
    """What a tool of somebody else may leave."""
    config = {"bootstrap.servers": scene.bootstrap, "group.id": scene.name}
    with closing(Consumer(config)) as consumer:
        place = TopicPartition(ANCHOR_TOPIC, 3, 7, metadata="by hand")
        consumer.commit(offsets=[place], asynchronous=False)


@pytest.mark.parametrize("spoil", [reset_offsets, commit_by_hand])
def test_positions_that_no_worker_wrote_are_refused_until_rebase(
    scene: Scene, spoil: object
) -> None:
    assert callable(spoil)
    with scene.workload():
        scene.workers(2)
        scene.await_more(300)
    scene.await_caught_up()
    scene.stop_all()
    wait_until(lambda: not members(scene), 60, "the group is empty")
    spoil(scene)
    with scene.workload(seed=2):
        worker = refusing_worker(scene)
        assert any("not of this program" in str(line.get("error")) for line in worker.lines())
        rebase(scene, worker)
        scene.workers(1)
        scene.await_more(200)
    scene.prove()


def test_the_group_shows_no_lag(scene: Scene) -> None:
    with scene.workload():
        scene.workers(2)
        scene.await_more(300)
    running = describe_group(scene.bootstrap, scene.name)
    assert lags(running) == dict.fromkeys(range(SHARDS), "0")
    assert {row["CLIENT-ID"].partition(".")[0] for row in running} == {scene.name}
    scene.prove()
    stopped = describe_group(scene.bootstrap, scene.name)
    assert lags(stopped) == dict.fromkeys(range(SHARDS), "0")
    assert {row["CONSUMER-ID"] for row in stopped} == {"-"}


def lags(rows: list[dict[str, str]]) -> dict[int, str]:
    """By shard, what the column LAG says."""
    assert {row["TOPIC"] for row in rows} == {ANCHOR_TOPIC}
    return {int(row["PARTITION"]): row["LAG"] for row in rows}


def test_positions_whose_offsets_are_the_counters_are_read(scene: Scene) -> None:
    """As the first versions wrote them."""
    with scene.workload():
        scene.workers(2)
        scene.await_more(300)
    scene.await_caught_up()
    scene.stop_all()
    wait_until(lambda: not members(scene), 60, "the group is empty")
    with connections.connect(scene.url, application="tests") as link:
        rows = mirror.list_positions(link)
    config = {"bootstrap.servers": scene.bootstrap, "group.id": scene.name}
    with closing(Consumer(config)) as consumer:
        places = [TopicPartition(ANCHOR_TOPIC, row.shard, row.batch, row.position) for row in rows]
        consumer.commit(offsets=places, asynchronous=False)
    assert max(committed(scene).values()) > 1
    with scene.workload(seed=2):
        scene.workers(2)
        scene.await_more(200)
    scene.prove()
    assert set(committed(scene).values()) <= {0} | {row.batch for row in rows}


def committed(scene: Scene) -> dict[int, int]:
    """By shard, the offset that the group keeps."""
    order = [ConsumerGroupTopicPartitions(scene.name)]
    found = scene.admin.list_consumer_group_offsets(order)[scene.name].result(ADMIN_S)
    return {place.partition: place.offset for place in found.topic_partitions}


def members(scene: Scene) -> int:
    """How many members the group has."""
    future = scene.admin.describe_consumer_groups([scene.name])[scene.name]
    return len(future.result(ADMIN_S).members)


def test_shards_without_events_get_positions_of_today(scene: Scene) -> None:
    with psycopg.connect(scene.url, autocommit=True) as link:
        for n in range(100):
            link.execute(PUBLISH, {"topic": scene.topics[0], "key": f"early-{n}"})
        scene.workers(1)
        scene.await_caught_up()
        scene.stop_all()
        before = borders(scene)
        link.execute(USE_UP_XIDS)
        link.execute(PUBLISH, {"topic": scene.topics[0], "key": "late"})
        ((late,),) = link.execute("SELECT max(xid::text::bigint) FROM outbox.event").fetchall()
        assert max(before) < late - 100_000
        scene.workers(1)
        wait_until(lambda: min(borders(scene)) > late, 30, "all positions are of today")
        for n in range(100):
            link.execute(PUBLISH, {"topic": scene.topics[0], "key": f"early-{n}"})
        scene.workers(1)
        for n in range(100):
            link.execute(PUBLISH, {"topic": scene.topics[0], "key": f"early-{n}"})
    scene.prove(least=301)


def borders(scene: Scene) -> list[int]:
    """By shard, up to which xid its position in the mirror says what is published."""
    with connections.connect(scene.url, application="tests") as link:
        rows = mirror.list_positions(link)
    return [from_mirror(row).position.seen.xmax for row in rows]
