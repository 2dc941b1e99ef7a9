"""The broker fails, and comes back; the worker waits for it as long as that takes."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from outbox_worker.local.kafka import KafkaServer
    from tests.harness.cluster import Cluster
    from tests.harness.workers import Worker

pytestmark = pytest.mark.slow

AWAY_S = 30.0
FROZEN_S = 8.0


@contextmanager
def away(server: KafkaServer) -> Iterator[None]:
    """The broker is stopped in good order, and started again whatever happens."""
    server.stop()
    try:
        yield
    finally:
        server.start()


@contextmanager
def frozen(server: KafkaServer) -> Iterator[None]:
    """The broker keeps its connections and does nothing."""
    server.pause()
    try:
        yield
    finally:
        server.resume()


def speaks_of_kafka(worker: Worker) -> bool:
    warnings = [each for each in worker.lines() if each.get("level") in {"warning", "error"}]
    return any(each["event"].startswith("kafka") for each in warnings)


def test_broker_is_killed_and_restarted(
    own_kafka: KafkaServer, own_broker_cluster: Cluster
) -> None:
    cluster = own_broker_cluster
    with cluster.workload():
        cluster.workers(3)
        cluster.await_more(100)
        own_kafka.kill()
        own_kafka.start()
        cluster.await_more(200)
        assert len(cluster.alive) == 3
    cluster.assert_exactly_once()


def test_broker_is_away_for_30_seconds(own_kafka: KafkaServer, own_broker_cluster: Cluster) -> None:
    cluster = own_broker_cluster
    with cluster.workload(pause_s=0.05):
        workers = cluster.workers(2)
        cluster.await_more(100)
        with away(own_kafka):
            stopped = time.monotonic()
            wait_until(lambda: all(map(speaks_of_kafka, workers)), AWAY_S, "they say what is wrong")
            wait_until(lambda: time.monotonic() - stopped > AWAY_S, AWAY_S + 5, "30 s have passed")
            assert len(cluster.alive) == 2
        cluster.await_more(200)
    cluster.assert_exactly_once()


def test_broker_freezes_for_longer_than_a_session(
    own_kafka: KafkaServer, own_broker_cluster: Cluster
) -> None:
    cluster = own_broker_cluster
    with cluster.workload():
        cluster.workers(2)
        cluster.await_more(100)
        with frozen(own_kafka):
            paused = time.monotonic()
            wait_until(lambda: time.monotonic() - paused > FROZEN_S, 10, "8 s have passed")
        cluster.await_more(200)
        assert len(cluster.alive) == 2
    cluster.assert_exactly_once()
