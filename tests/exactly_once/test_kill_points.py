"""A worker is killed before and after each step of a transaction that has records."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.harness.killpoints import POINTS
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from tests.harness.scene import Scene

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("point", POINTS)
def test_worker_is_killed(scene: Scene, point: str) -> None:
    with scene.workload():
        victim = scene.mortal(point)
        scene.workers(2)
        wait_until(lambda: not victim.alive, 30, "the worker reached its kill point")
        assert victim.said("killed", point=point)
        assert victim.process.returncode == -signal.SIGKILL
        scene.await_whole()
        scene.await_more(200)
    scene.prove()
