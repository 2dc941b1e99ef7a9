"""Postgres is restarted without ado; its backends are terminated at random."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING, Final

import pytest

from tests.harness.terminations import terminate_backends

if TYPE_CHECKING:
    from outbox_worker.local.postgres import PostgresServer
    from tests.harness.cluster import Cluster

pytestmark = pytest.mark.slow

TERMINATING_S: Final = 20.0
LEAST: Final = 41


def test_backends_are_terminated_at_random_for_20_seconds(cluster: Cluster) -> None:
    over = threading.Event()
    timer = threading.Timer(TERMINATING_S, over.set)
    with cluster.workload():
        cluster.workers(3)
        timer.start()
        terminate_backends(cluster.url, random.Random(3), over, LEAST)
        cluster.await_more(200)
        assert len(cluster.alive) == 3
    cluster.assert_exactly_once()


def test_postgres_is_restarted_without_ado(
    own_postgres: PostgresServer, own_postgres_cluster: Cluster
) -> None:
    cluster = own_postgres_cluster
    with cluster.workload():
        workers = cluster.workers(3)
        for _ in range(2):
            cluster.await_more(100)
            own_postgres.restart("immediate")
        cluster.await_more(200)
        assert cluster.alive == workers
    cluster.assert_exactly_once()
