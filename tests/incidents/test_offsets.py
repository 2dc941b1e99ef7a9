"""Kafka has no positions any more, or positions that no worker wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import psycopg
import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition

from outbox_worker.settings import ANCHOR_TOPIC
from tests.exactly_once.test_moved import ADMIN_S, forget_group, is_empty
from tests.harness.cluster import free_address
from tests.harness.incident import Paged
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from tests.cli.conftest import CliCluster

pytestmark = pytest.mark.slow

DAYS_PASS: Final = """
    WITH seen AS (UPDATE outbox.shard_state SET seen_at = seen_at - interval '8 d')
    UPDATE outbox.position SET updated_at = updated_at - interval '8 d'"""
MIRROR: Final = "SELECT FROM outbox.position"
REBASE: Final = ["outbox-worker rebase", "outbox-worker rebase --execute"]


def reset_offsets(cluster: CliCluster) -> None:
    """What `kafka-consumer-groups.sh --reset-offsets --to-earliest` does to some of them."""
    places = [TopicPartition(ANCHOR_TOPIC, shard, 0) for shard in range(0, 16, 2)]
    order = [ConsumerGroupTopicPartitions(cluster.name, places)]
    cluster.admin.alter_consumer_group_offsets(order)[cluster.name].result(ADMIN_S)


def test_deleted_offsets_repeat_nothing_though_the_workers_were_killed(cluster: CliCluster) -> None:
    paged = Paged(cluster)
    with cluster.workload():
        workers = cluster.workers(2)
        cluster.await_more(300)
        with psycopg.connect(cluster.url, autocommit=True) as link:
            wait_until(lambda: link.execute(MIRROR).rowcount == 16, 30, "the mirror has them all")
        for worker in workers:
            worker.kill()
    wait_until(lambda: is_empty(cluster), 30, "the sessions of the dead have ended")
    forget_group(cluster)
    with psycopg.connect(cluster.url) as link:
        link.execute(DAYS_PASS)
    paged.hears("OutboxWorkersAbsent")
    paged.sees("no worker")
    assert paged.is_told("group.mirror")["run"] == REBASE
    with cluster.workload(seed=2):
        paged.runs("Deleted or reset offsets")
        cluster.await_new(200)
    paged.is_done()
    cluster.assert_exactly_once()


def test_reset_offsets_are_refused_and_mended_by_a_rebase(cluster: CliCluster) -> None:
    paged = Paged(cluster)
    with cluster.workload():
        cluster.workers(2)
        cluster.await_more(300)
    cluster.stop_all()
    wait_until(lambda: is_empty(cluster), 30, "the group has no member")
    reset_offsets(cluster)
    with cluster.workload(seed=2):
        worker = cluster.worker(http_address=free_address())
        paged.hears("OutboxWorkersRefuse", worker)
        paged.sees("refusing", "not of this program", "outbox-worker rebase")
        assert worker.ready()[0] == 503
        assert paged.is_told("postgres.history")["run"] == REBASE
        assert paged.finds("group.mirror")["level"] == "fail"
        paged.runs("OutboxWorkersRefuse")
        cluster.await_new(200)
    paged.is_done()
    cluster.assert_exactly_once()
