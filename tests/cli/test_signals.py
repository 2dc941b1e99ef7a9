"""SIGTERM and SIGINT: the batch in hand ends, 5 s are enough, and a second signal needs none."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Final

import psycopg
import pytest

from tests.harness.cluster import Cluster, showing_logs
from tests.harness.control import Control
from tests.harness.waiting import wait_until
from tests.harness.workers import STOP_S

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from outbox_worker.local.kafka import KafkaServer
    from tests.harness.workers import Worker

pytestmark = [pytest.mark.alone, pytest.mark.slow]

WRITE: Final = """
    INSERT INTO outbox.event (topic, key, type, payload)
    SELECT %s, 'key ' || n, 'order.placed', '{}' FROM generate_series(1, %s) AS n"""
SLACK_S: Final = 0.5
"""For the end of the interpreter, on a machine that has other things to do."""

AT_ONCE_S: Final = 1.0


@pytest.fixture
def cluster(database: str, kafka: KafkaServer, tmp_path: Path) -> Iterator[Cluster]:
    """A cluster on a broker that the test may stop; it leaves it running."""
    with showing_logs(Cluster(database, kafka.bootstrap, tmp_path)) as cluster:
        yield cluster


def write(cluster: Cluster, rows: int) -> None:
    with psycopg.connect(cluster.url) as link:
        link.execute(WRITE, (cluster.topics[0], rows))


def told(worker: Worker, number: signal.Signals) -> float:
    """Send the signal, and wait until the worker has heard it; when it was sent."""
    sent = time.monotonic()
    worker.tell(number)
    wait_until(lambda: worker.said("stopping", signal=number.name), 5, "it has heard the signal")
    return sent


@pytest.fixture
def control(database: str) -> Iterator[Control]:
    with Control(database) as control:
        yield control


def seconds_until_the_end(worker: Worker, code: int, since: float, control: Control) -> float:
    """Without what the machine lost of them."""
    assert worker.await_end() == code
    ended = time.monotonic()
    return ended - since - control.lost(since, ended)


def ended_well(worker: Worker, control: Control, since: float) -> bool:
    """Whether nothing was left in hand, unless half of the time for it was lost at a stretch."""
    return worker.said("stopped") or (
        worker.said("stop_timed_out") and control.stood_still(since, time.monotonic()) > STOP_S / 2
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_relay_at_work_finishes_what_is_in_hand(
    cluster: Cluster, control: Control, number: signal.Signals
) -> None:
    with cluster.workload():
        worker, _ = cluster.workers(2)
        cluster.await_more(200)
        sent = told(worker, number)
        assert seconds_until_the_end(worker, 0, sent, control) < STOP_S + SLACK_S
        assert ended_well(worker, control, sent)
        cluster.await_more(100)
    cluster.assert_exactly_once(least=300)


def test_a_relay_whose_broker_is_away_ends_as_quickly(
    cluster: Cluster, control: Control, kafka: KafkaServer
) -> None:
    (worker,) = cluster.workers(1)
    write(cluster, 10)
    cluster.await_caught_up()
    kafka.kill()
    try:
        write(cluster, 10)
        wait_until(lambda: worker.said("kafka_trouble"), 20, "it has noticed")
        sent = told(worker, signal.SIGTERM)
        assert seconds_until_the_end(worker, 0, sent, control) < STOP_S + SLACK_S
        assert worker.said("stop_timed_out") is not worker.said("stopped")
    finally:
        kafka.start()
    cluster.workers(1)
    cluster.assert_exactly_once(least=20)


def test_a_second_signal_ends_it_at_once_and_nothing_is_lost(
    cluster: Cluster, control: Control, kafka: KafkaServer
) -> None:
    (worker,) = cluster.workers(1)
    # It neither answers nor goes away: what is in hand cannot end.
    kafka.pause()
    try:
        write(cluster, 2_000)
        told(worker, signal.SIGTERM)
        sent = time.monotonic()
        worker.terminate()
        assert seconds_until_the_end(worker, 1, sent, control) < AT_ONCE_S
    finally:
        kafka.resume()
    assert not worker.said("stopped")
    cluster.started.remove(worker)
    worker.end()
    cluster.workers(1)
    cluster.assert_exactly_once(least=2_000)
