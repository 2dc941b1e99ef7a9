"""The primary dies, and a streaming standby takes its place: with all, or without the last."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.harness.databases import make_database
from tests.harness.history import rebase, refusing_worker
from tests.harness.scene import Scene, showing_logs
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
def scene(pair: StreamingPair, kafka_bootstrap_servers: str, tmp_path: Path) -> Iterator[Scene]:
    """A scene whose URL names both servers."""
    url = pair.url(make_database(pair.primary))
    with showing_logs(Scene(url, kafka_bootstrap_servers, tmp_path)) as scene:
        yield scene


def lost_by(scene: Scene, workload: Workload) -> set[str]:
    """What the old primary had committed, and the new one does not have."""
    return workload.ledger.committed - scene.rows().keys()


def test_worker_goes_on_by_itself_after_a_fail_over_in_sync(
    pair: StreamingPair, scene: Scene
) -> None:
    pair.wait_for_standby()
    with scene.workload():
        workers = scene.workers(2)
        scene.await_more(200)
        pair.fail_over()
        scene.await_more(200)
        assert scene.alive == workers
    scene.prove()


def test_fail_over_that_lost_published_events_is_refused_until_rebase(
    pair: StreamingPair, scene: Scene
) -> None:
    with scene.workload() as before:
        scene.workers(2)
        scene.await_more(200)
        pair.stop_streaming()
        scene.await_new(200)
    for worker in scene.crew:
        worker.kill()
    pair.fail_over()
    with scene.workload(seed=2) as after:
        wait_until(lambda: after.events > 200, 20, "the new primary is written to")
        worker = refusing_worker(scene)
        rebase(scene, worker)
        scene.workers(1)
        scene.await_more(200)
    lost = lost_by(scene, before)
    assert lost & {record.event_id for record in scene.subscriber.received}
    scene.prove(excused=lost)


def test_fail_over_that_lost_only_unpublished_events_goes_unnoticed(
    pair: StreamingPair, scene: Scene
) -> None:
    with scene.workload() as before:
        scene.workers(2)
        scene.await_more(200)
    scene.await_caught_up()
    scene.stop_all()
    pair.stop_streaming()
    with scene.workload(seed=2) as unseen:
        wait_until(lambda: unseen.events > 100, 20, "events are written that nobody reads")
    pair.fail_over()
    with scene.workload(seed=3):
        scene.workers(2)
        scene.await_more(200)
    assert not lost_by(scene, before)
    lost = lost_by(scene, unseen)
    assert lost
    scene.prove(excused=lost)
