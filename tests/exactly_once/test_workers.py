"""Workers freeze, come, go, and die, while others go on."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pytest

from outbox_worker.settings import SESSION_TIMEOUT_MS
from tests.harness.checker import longest_gaps
from tests.harness.control import Control
from tests.harness.metronome import Metronome, topic_of
from tests.harness.scene import SHARDS
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from tests.harness.scene import Scene
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


def silences(scene: Scene, control: Control, since: float, until: float) -> Silences:
    received = tuple(scene.subscriber.received)
    found = longest_gaps(scene.rows(), received, since, until, control.lost)
    # A heartbeat of the half before may have been the last that arrived.
    return Silences(found, control.most_lost(SESSION_S, since, until) > SESSION_S / 2)


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
    with Control(stage.url) as control, Metronome(stage.url, stage.name):
        # It dies once it is told to, and not before.
        victim = stage.mortal(point, nth=0)
        survivor = stage.worker()
        stage.await_whole()
        since = flowing(stage)
        theirs = victim.shards
        assert victim.alive
        victim.tell(signal.SIGUSR1)
        wait_until(lambda: not victim.alive, 30, "the worker died")
        died = time.monotonic()
        stage.await_whole(survivor)
        wait_until(lambda: heard_again(stage, died), 30, "every shard is heard again")
        found = silences(stage, control, since, flowing(stage))
    assert victim.said("killed")
    assert found.within(theirs, TAKEOVER_S), found
    assert found.within(SHARDS - theirs, UNDISTURBED_S), found
    assert survivor.said("takeover")
    stage.prove()


@pytest.mark.alone
def test_a_worker_that_is_told_to_stop_hands_over_at_once(stage: Scene) -> None:
    with Control(stage.url) as control, Metronome(stage.url, stage.name):
        leaver, heir = stage.workers(2)
        since = flowing(stage)
        theirs = leaver.shards
        assert leaver.stop() == 0
        stage.await_whole(heir)
        found = silences(stage, control, since, flowing(stage))
    assert found.within(theirs, HANDOVER_S), found
    assert found.within(SHARDS - theirs, UNDISTURBED_S), found
    stage.prove()


def idle(workers: list[Worker]) -> list[Worker]:
    return [worker for worker in workers if worker.said("no_shards") and not worker.shards]


@pytest.mark.alone
def test_sixteen_workers_share_sixteen_shards_and_a_seventeenth_stands_by(scene: Scene) -> None:
    with scene.workload():
        sixteen = scene.workers(16, seconds=180)
        assert all(len(worker.shards) == 1 for worker in sixteen)
        scene.worker()
        (spare,) = wait_until(lambda: idle(scene.alive), 120, "one says that it has no shards")
        busy = [worker for worker in scene.alive if worker is not spare]
        scene.await_whole(*busy)
        busy[0].kill()
        scene.await_whole(seconds=120)
        scene.await_more(100)
        assert spare.shards
    scene.prove()
