"""The primary dies, and a streaming standby takes its place: with all, or without the last."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.harness.cluster import Cluster, showing_logs
from tests.harness.databases import make_database
from tests.harness.lost_history import rebase, refusing_worker
from tests.harness.streaming import StreamingPair
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.harness.writers import Workload

pytestmark = pytest.mark.slow


@pytest.fixture
def pair() -> Iterator[StreamingPair]:
    """A primary and a standby that streams from it."""
    with StreamingPair() as pair:
        yield pair


@pytest.fixture
def cluster(pair: StreamingPair, kafka_bootstrap_servers: str, tmp_path: Path) -> Iterator[Cluster]:
    """A cluster whose URL names both servers."""
    url = pair.url(make_database(pair.primary))
    with showing_logs(Cluster(url, kafka_bootstrap_servers, tmp_path)) as cluster:
        yield cluster


def lost_by(cluster: Cluster, workload: Workload) -> set[str]:
    """What the old primary had committed, and the new one does not have."""
    return workload.ledger.committed - cluster.rows().keys()


def test_worker_goes_on_by_itself_after_a_fail_over_in_sync(
    pair: StreamingPair, cluster: Cluster
) -> None:
    pair.wait_for_standby()
    with cluster.workload():
        workers = cluster.workers(2)
        cluster.await_more(200)
        pair.fail_over()
        cluster.await_more(200)
        assert cluster.alive == workers
    cluster.assert_exactly_once()


def test_fail_over_that_lost_published_events_is_refused_until_rebase(
    pair: StreamingPair, cluster: Cluster
) -> None:
    with cluster.workload() as before:
        cluster.workers(2)
        cluster.await_more(200)
        pair.stop_streaming()
        cluster.await_new(200)
    for worker in cluster.started:
        worker.kill()
    pair.fail_over()
    with cluster.workload(seed=2) as after:
        wait_until(lambda: after.events > 200, 20, "the new primary is written to")
        worker = refusing_worker(cluster)
        rebase(cluster, worker)
        cluster.workers(1)
        cluster.await_more(200)
    lost = lost_by(cluster, before)
    assert lost & {record.event_id for record in cluster.subscriber.received}
    cluster.assert_exactly_once(excused=lost)


def test_fail_over_that_lost_only_unpublished_events_goes_unnoticed(
    pair: StreamingPair, cluster: Cluster
) -> None:
    with cluster.workload() as before:
        cluster.workers(2)
        cluster.await_more(200)
    cluster.await_caught_up()
    cluster.stop_all()
    pair.stop_streaming()
    with cluster.workload(seed=2) as unseen:
        wait_until(lambda: unseen.events > 100, 20, "events are written that nobody reads")
    pair.fail_over()
    with cluster.workload(seed=3):
        cluster.workers(2)
        cluster.await_more(200)
    assert not lost_by(cluster, before)
    lost = lost_by(cluster, unseen)
    assert lost
    cluster.assert_exactly_once(excused=lost)
