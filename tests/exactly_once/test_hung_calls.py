"""Calls of librdkafka that do not return, because the coordinator lets no producer in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.harness.coordinator import (
    HANGS,
    Coordinated,
    coordinated,
    hung,
    peak_until_it_ends,
    usage,
)
from tests.harness.waiting import wait_until
from tests.harness.workers import ANSWERLESS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from outbox_worker.local.kafka import KafkaServer

pytestmark = pytest.mark.slow

PATIENCE_S: Final = 3.0
MOST_LEFT: Final = 2


@pytest.fixture
def servers(own_kafka: KafkaServer, database: str, tmp_path: Path) -> Iterator[Coordinated]:
    """Positions on a broker of their own."""
    with coordinated(own_kafka, database, tmp_path) as servers:
        yield servers
        servers.cluster.show_logs()


def test_calls_that_hang_are_left_behind_until_they_are_too_many(servers: Coordinated) -> None:
    cluster = servers.cluster
    with cluster.workload():
        worker = cluster.worker_abandoning_calls(
            PATIENCE_S, MOST_LEFT, kafka_bootstrap_servers=servers.bootstrap
        )
        cluster.await_more(100)
        before, so_far = usage(worker), hung(worker)
        servers.bar_producers()
        wait_until(lambda: hung(worker) > so_far, 60, "a call hangs")
        assert worker.said("kafka_away", error=HANGS)
        servers.let_in()
        cluster.await_new(100)
        assert worker.said("kafka_back", after="NO_ANSWER")
        wait_until(lambda: usage(worker).is_back(before), 60, "what it left behind is gone")
        servers.bar_producers()
        most = peak_until_it_ends(worker, 60)
        servers.let_in()
        assert most.within(MOST_LEFT + 2, before), f"{most}, {before} before"
        assert worker.process.returncode == ANSWERLESS
        (failed,) = [line for line in worker.lines() if line["event"] == "loop_failed"]
        assert "3 calls to Kafka (commit) did not return" in failed["error"]
        assert "coordinator" in failed["hint"]
        # As a supervisor does.
        cluster.started.remove(worker)
        cluster.worker(kafka_bootstrap_servers=servers.bootstrap)
        cluster.await_new(100)
    cluster.assert_exactly_once()
