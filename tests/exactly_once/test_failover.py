"""The primary dies, and a streaming standby takes its place: with all, or without the last.

One that lacks what was published: tests/incidents/test_lossy_failover.py.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

import pytest

from tests.harness.cluster import Cluster, showing_logs
from tests.harness.databases import make_database
from tests.harness.letter_rounds import COUNT_OPEN, INSERT, ask
from tests.harness.lost_history import drop_records, rebase, refusing_worker
from tests.harness.streaming import StreamingPair
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.harness.writers import Workload

pytestmark = pytest.mark.slow

COUNT_WAITING: Final = "SELECT sum(events)::bigint FROM outbox.lag"
PARKED: Final = "SELECT event_id::text FROM outbox.dead_letter"
LARGE: Final = random.Random(3).randbytes(9_000)


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


@pytest.mark.parametrize(
    ("lost", "reason"),
    [
        ("the ledger", "the ledger of dead letters has 0 writes, and the position rests on 1"),
        ("and an event", "which was published, is not in the table"),
    ],
)
def test_fail_over_that_lost_rows_of_the_ledger_of_dead_letters_loses_no_event(
    pair: StreamingPair, cluster: Cluster, lost: str, reason: str
) -> None:
    """Of a topic that drops events, so that what is not found there may be published and gone."""
    topic = f"{cluster.name}.narrow"
    config = {"max.message.bytes": "3000", "cleanup.policy": "compact,delete"}
    cluster.listen_to({topic: 1}, **config)
    worker = cluster.worker(on_refused="park")
    published = [write(cluster, topic, b"{}") for _ in range(3)]
    wait_until(lambda: cluster.subscriber.has_all(published), 20, "they are read")
    assert worker.stop() == 0
    drop_records(cluster, topic)
    poison = write(cluster, topic, LARGE)
    pair.stop_streaming()
    worker = cluster.worker(on_refused="park")
    wait_until(lambda: ask(cluster, COUNT_OPEN) == [(1,)], 20, "it is parked")
    if lost == "and an event":
        published.append(write(cluster, cluster.topics[0], b"{}"))
        wait_until(lambda: cluster.subscriber.has_all(published), 20, "a later one is published")
    wait_until(lambda: ask(cluster, COUNT_WAITING) == [(0,)], 20, "the position has passed it")
    worker.kill()
    pair.fail_over()
    assert ask(cluster, COUNT_OPEN) == [(0,)]
    refusing = refusing_worker(cluster, on_refused="park")
    plan = cluster.run("rebase")
    assert reason in plan
    assert poison in plan, "a person sees what may be published twice"
    assert not any(event in plan for event in published)
    rebase(cluster, refusing)
    wait_until(lambda: ask(cluster, COUNT_OPEN) == [(1,)], 20, "it is parked once more")
    assert ask(cluster, PARKED) == [(poison,)]
    wait_until(cluster.subscriber.at_the_end, 20, "all that there is has been read")
    read = [each.event_id for each in cluster.subscriber.received]
    assert sorted(read) == sorted(published), "what is published is not repeated"


def write(cluster: Cluster, topic: str, payload: bytes) -> str:
    """One event of one key; its event id."""
    return str(ask(cluster, INSERT, {"topic": topic, "key": "k", "payload": payload})[0][0])
