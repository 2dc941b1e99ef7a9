"""The only worker stands still, and nobody ends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.harness.cluster import free_address
from tests.harness.incident import Paged

if TYPE_CHECKING:
    from tests.cli.conftest import CliCluster

pytestmark = pytest.mark.slow


def test_another_worker_takes_over_and_the_frozen_one_repeats_nothing(cluster: CliCluster) -> None:
    paged = Paged(cluster)
    frozen = cluster.worker(http_address=free_address())
    cluster.await_shards()
    with cluster.workload():
        cluster.await_more(200)
        frozen.pause()
        paged.hears("OutboxWorkersAbsent", frozen)
        paged.sees("no worker", "no worker gives a sign of life for it", "outbox-worker run")
        assert paged.is_told("group.members")["run"] == ["outbox-worker run"]
        paged.runs("OutboxWorkersAbsent", {"PID": str(frozen.process.pid)})
        cluster.await_new(200)
    paged.is_done()
    cluster.assert_exactly_once()
