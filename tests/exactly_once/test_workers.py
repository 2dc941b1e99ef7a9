"""Workers freeze, come, go, and die, while others go on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.harness.checker import longest_gaps
from tests.harness.metronome import Metronome, topic_of
from tests.harness.scene import SHARDS
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from tests.harness.scene import Scene
    from tests.harness.workers import Worker

pytestmark = pytest.mark.slow

TAKEOVER_S = 10.0
"""Longest silence on the shards of a worker that died in an open transaction."""

UNDISTURBED_S = 1.0
"""Longest silence on the shards of the others."""

HANDOVER_S = 2.0
"""From SIGTERM until somebody else serves the shards."""


@pytest.mark.parametrize("point", ["after-half-of-the-records", "before-commit"])
def test_worker_is_frozen_beyond_its_session_and_comes_back(scene: Scene, point: str) -> None:
    with scene.workload():
        zombie = scene.mortal(point, "STOP")
        # It may freeze before they are there.
        others = [scene.worker() for _ in range(2)]
        wait_until(lambda: zombie.said("killed"), 30, "the worker is frozen")
        scene.await_whole(*others)
        scene.await_more(200)
        zombie.resume()
        scene.await_whole(zombie, *others)
        scene.await_more(200)
    scene.prove()


def test_workers_join_and_leave_under_load(scene: Scene) -> None:
    with scene.workload():
        scene.workers(2)
        for _ in range(3):
            newcomer = scene.worker()
            scene.await_whole()
            scene.await_more(50)
            leaver = next(each for each in scene.alive if each is not newcomer)
            assert leaver.stop() == 0
            scene.await_whole()
        several = [scene.worker() for _ in range(3)]
        scene.await_whole()
        for worker in several[:2]:
            worker.terminate()
        assert [worker.await_end() for worker in several[:2]] == [0, 0]
        scene.await_whole()
        scene.await_more(50)
    scene.prove()


def gaps(scene: Scene, since: float, until: float) -> dict[int, float]:
    received = tuple(scene.subscriber.received)
    return longest_gaps(scene.rows(), received, since, until)


def heard_again(scene: Scene, since: float) -> bool:
    """Whether every shard has been heard since (monotonic)."""
    recent = [each.event_id for each in tuple(scene.subscriber.received) if each.at > since]
    rows = scene.rows()
    return {rows[event_id].shard for event_id in recent} == SHARDS


def flowing(scene: Scene) -> float:
    """Wait until every shard is heard from now on; returns that moment."""
    since = time.monotonic()
    wait_until(lambda: heard_again(scene, since), 30, "every shard is heard")
    return time.monotonic()


@pytest.fixture
def stage(scene: Scene) -> Scene:
    """A scene whose subscriber listens to one topic for each shard."""
    scene.listen_to({topic_of(scene.name, shard): 1 for shard in SHARDS})
    return scene


@pytest.mark.alone
@pytest.mark.parametrize("point", ["after-last-record", "after-offsets"])
def test_takeover_of_an_open_transaction_is_quick_and_disturbs_nobody(
    stage: Scene, point: str
) -> None:
    with Metronome(stage.url, stage.name):
        victim = stage.mortal(point, nth=100)
        survivor = stage.worker()
        stage.await_whole()
        since = flowing(stage)
        theirs = victim.shards
        wait_until(lambda: not victim.alive, 30, "the worker died")
        died = time.monotonic()
        stage.await_whole(survivor)
        wait_until(lambda: heard_again(stage, died), 30, "every shard is heard again")
        found = gaps(stage, since, flowing(stage))
    assert victim.said("killed")
    assert theirs
    assert max(found[shard] for shard in theirs) <= TAKEOVER_S, found
    assert max(found[shard] for shard in SHARDS - theirs) <= UNDISTURBED_S, found
    assert survivor.said("takeover")
    stage.prove()


@pytest.mark.alone
def test_a_worker_that_is_told_to_stop_hands_over_at_once(stage: Scene) -> None:
    with Metronome(stage.url, stage.name):
        leaver, heir = stage.workers(2)
        since = flowing(stage)
        theirs = leaver.shards
        assert leaver.stop() == 0
        stage.await_whole(heir)
        found = gaps(stage, since, flowing(stage))
    assert max(found[shard] for shard in theirs) <= HANDOVER_S, found
    assert max(found[shard] for shard in SHARDS - theirs) <= UNDISTURBED_S, found
    stage.prove()


def idle(workers: list[Worker]) -> list[Worker]:
    return [worker for worker in workers if worker.said("no_shards") and not worker.shards]


def test_sixteen_workers_share_sixteen_shards_and_a_seventeenth_stands_by(scene: Scene) -> None:
    with scene.workload():
        sixteen = scene.workers(16, seconds=90)
        assert all(len(worker.shards) == 1 for worker in sixteen)
        scene.worker()
        (spare,) = wait_until(lambda: idle(scene.alive), 60, "one says that it has no shards")
        busy = [worker for worker in scene.alive if worker is not spare]
        scene.await_whole(*busy)
        busy[0].kill()
        scene.await_whole(seconds=60)
        scene.await_more(100)
        assert spare.shards
    scene.prove()
