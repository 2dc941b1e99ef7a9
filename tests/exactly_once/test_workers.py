"""Workers freeze, come, go, and die, while others continue."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pytest

from outbox_worker.settings import SESSION_TIMEOUT_MS
from tests.harness.cluster import SHARDS
from tests.harness.control import Control
from tests.harness.delivery import longest_gaps
from tests.harness.metronome import Metronome, topic_of
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from tests.harness.cluster import Cluster
    from tests.harness.workers import Worker

pytestmark = pytest.mark.slow

TAKEOVER_S: Final = 10.0
"""Longest silence on the shards of a worker that died in an open transaction."""

UNDISTURBED_S: Final = 1.0
"""Longest silence on the shards of the others."""

HANDOVER_S: Final = 2.0
"""From SIGTERM until somebody else serves the shards."""

SESSION_S: Final = SESSION_TIMEOUT_MS / 1000


@pytest.mark.parametrize("point", ["after-half-of-the-records", "before-commit"])
def test_worker_is_frozen_beyond_its_session_and_comes_back(cluster: Cluster, point: str) -> None:
    with cluster.workload():
        zombie = cluster.worker_dying_at(point, "STOP")
        # It may freeze before they are there.
        others = [cluster.worker() for _ in range(2)]
        wait_until(lambda: zombie.said("killed"), 30, "the worker is frozen")
        cluster.await_shards(*others)
        cluster.await_more(200)
        zombie.resume()
        cluster.await_shards(zombie, *others)
        cluster.await_more(200)
    cluster.assert_exactly_once()


def test_workers_join_and_leave_under_load(cluster: Cluster) -> None:
    with cluster.workload():
        cluster.workers(2)
        for _ in range(3):
            newcomer = cluster.worker()
            cluster.await_shards()
            cluster.await_more(50)
            leaver = next(each for each in cluster.alive if each is not newcomer)
            assert leaver.stop() == 0
            cluster.await_shards()
        several = [cluster.worker() for _ in range(3)]
        cluster.await_shards()
        for worker in several[:2]:
            worker.terminate()
        assert [worker.await_end() for worker in several[:2]] == [0, 0]
        cluster.await_shards()
        cluster.await_more(50)
    cluster.assert_exactly_once()


@dataclass(frozen=True)
class Silences:
    """By shard the longest silence, without what the machine lost of it."""

    of_shards: dict[int, float]
    expelling: bool
    """Whether the machine stood still for so long that members of the group were expelled."""

    def within(self, shards: frozenset[int], seconds: float) -> bool:
        """Whether none of these is longer; to take over from who was expelled takes its own time.

        There have to be shards: without one nothing would be asked.
        """
        limit = seconds + (TAKEOVER_S if self.expelling else 0)
        return bool(shards) and max(self.of_shards[shard] for shard in shards) <= limit


def silences(cluster: Cluster, control: Control, since: float, until: float) -> Silences:
    received = tuple(cluster.subscriber.received)
    found = longest_gaps(cluster.rows(), received, since, until, control.lost)
    # A heartbeat of the half before may have been the last that arrived.
    return Silences(found, control.most_lost(SESSION_S, since, until) > SESSION_S / 2)


def heard_again(cluster: Cluster, since: float) -> bool:
    """Whether every shard has been heard since (monotonic)."""
    recent = [each.event_id for each in tuple(cluster.subscriber.received) if each.at > since]
    rows = cluster.rows()
    return {rows[event_id].shard for event_id in recent} == SHARDS


def flowing(cluster: Cluster) -> float:
    """Wait until every shard is heard from now on; returns that moment."""
    since = time.monotonic()
    wait_until(lambda: heard_again(cluster, since), 30, "every shard is heard")
    return time.monotonic()


@pytest.fixture
def sharded_cluster(cluster: Cluster) -> Cluster:
    """A cluster whose subscriber listens to one topic for each shard."""
    cluster.listen_to({topic_of(cluster.name, shard): 1 for shard in SHARDS})
    return cluster


@pytest.mark.alone
@pytest.mark.parametrize("point", ["after-last-record", "after-offsets"])
def test_takeover_of_an_open_transaction_is_quick_and_disturbs_nobody(
    sharded_cluster: Cluster, point: str
) -> None:
    with (
        Control(sharded_cluster.url) as control,
        Metronome(sharded_cluster.url, sharded_cluster.name),
    ):
        # It dies on request, and not before.
        victim = sharded_cluster.worker_dying_at(point, nth=0)
        survivor = sharded_cluster.worker()
        sharded_cluster.await_shards()
        since = flowing(sharded_cluster)
        theirs = victim.shards
        assert victim.alive
        victim.tell(signal.SIGUSR1)
        wait_until(lambda: not victim.alive, 30, "the worker died")
        died = time.monotonic()
        sharded_cluster.await_shards(survivor)
        wait_until(lambda: heard_again(sharded_cluster, died), 30, "every shard is heard again")
        found = silences(sharded_cluster, control, since, flowing(sharded_cluster))
    assert victim.said("killed")
    assert found.within(theirs, TAKEOVER_S), found
    assert found.within(SHARDS - theirs, UNDISTURBED_S), found
    assert survivor.said("takeover")
    sharded_cluster.assert_exactly_once()


@pytest.mark.alone
def test_a_worker_that_is_told_to_stop_hands_over_at_once(sharded_cluster: Cluster) -> None:
    with (
        Control(sharded_cluster.url) as control,
        Metronome(sharded_cluster.url, sharded_cluster.name),
    ):
        leaver, heir = sharded_cluster.workers(2)
        since = flowing(sharded_cluster)
        theirs = leaver.shards
        assert leaver.stop() == 0
        sharded_cluster.await_shards(heir)
        found = silences(sharded_cluster, control, since, flowing(sharded_cluster))
        sharded_cluster.await_more(300)  # A quick hand-over leaves few for the judgement.
    assert found.within(theirs, HANDOVER_S), found
    assert found.within(SHARDS - theirs, UNDISTURBED_S), found
    assert found.expelling or not heir.said("takeover")
    sharded_cluster.assert_exactly_once()


def idle(workers: list[Worker]) -> list[Worker]:
    return [worker for worker in workers if worker.said("no_shards") and not worker.shards]


@pytest.mark.alone
def test_sixteen_workers_share_sixteen_shards_and_a_seventeenth_stands_by(cluster: Cluster) -> None:
    with cluster.workload():
        sixteen = cluster.workers(16, seconds=180)
        assert all(len(worker.shards) == 1 for worker in sixteen)
        cluster.worker()
        (spare,) = wait_until(lambda: idle(cluster.alive), 120, "one says that it has no shards")
        busy = [worker for worker in cluster.alive if worker is not spare]
        cluster.await_shards(*busy)
        busy[0].kill()
        cluster.await_shards(seconds=120)
        cluster.await_more(100)
        assert spare.shards
    cluster.assert_exactly_once()
