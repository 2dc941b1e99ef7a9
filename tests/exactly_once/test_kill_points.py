"""A worker is killed before and after each step of a transaction that has records."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.harness.killpoints import POINTS
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from tests.harness.cluster import Cluster

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("point", POINTS)
def test_worker_is_killed(cluster: Cluster, point: str) -> None:
    with cluster.workload():
        victim = cluster.worker_dying_at(point)
        cluster.workers(2)
        wait_until(lambda: not victim.alive, 30, "the worker reached its kill point")
        assert victim.said("killed", point=point)
        assert victim.process.returncode == -signal.SIGKILL
        cluster.await_shards()
        cluster.await_more(200)
    cluster.assert_exactly_once()
