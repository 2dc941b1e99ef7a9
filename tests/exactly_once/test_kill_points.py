"""Workers are killed before and after each step of a transaction, under either of their ids."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.harness.killpoints import FIRST, POINTS, SECOND
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from tests.harness.cluster import Cluster

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("point", POINTS)
def test_workers_are_killed(cluster: Cluster, point: str) -> None:
    points = [FIRST + point, SECOND + point]
    with cluster.workload():
        victims = [cluster.worker_dying_at(each, nth=2) for each in points]
        cluster.workers(2)
        wait_until(lambda: not any(each.alive for each in victims), 30, "both reached their points")
        for victim, each in zip(victims, points, strict=True):
            assert victim.said("killed", point=each)
            assert victim.process.returncode == -signal.SIGKILL
        cluster.await_shards()
        cluster.await_more(200)
    cluster.assert_exactly_once()
