"""SIGTERM and SIGINT: the batch in hand ends, 5 s are enough, and a second signal needs none."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Final

import psycopg
import pytest

from tests.harness.control import Control
from tests.harness.scene import Scene, showing_logs
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
def scene(database: str, kafka: KafkaServer, tmp_path: Path) -> Iterator[Scene]:
    """A scene on a broker that the test may stop; it leaves it running."""
    with showing_logs(Scene(database, kafka.bootstrap, tmp_path)) as scene:
        yield scene


def write(scene: Scene, rows: int) -> None:
    with psycopg.connect(scene.url) as link:
        link.execute(WRITE, (scene.topics[0], rows))


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
        worker.said("left_unfinished") and control.stood_still(since, time.monotonic()) > STOP_S / 2
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_relay_at_work_finishes_what_is_in_hand(
    scene: Scene, control: Control, number: signal.Signals
) -> None:
    with scene.workload():
        worker, _ = scene.workers(2)
        scene.await_more(200)
        sent = told(worker, number)
        assert seconds_until_the_end(worker, 0, sent, control) < STOP_S + SLACK_S
        assert ended_well(worker, control, sent)
        scene.await_more(100)
    scene.prove(least=300)


def test_a_relay_whose_broker_is_away_ends_as_quickly(
    scene: Scene, control: Control, kafka: KafkaServer
) -> None:
    (worker,) = scene.workers(1)
    write(scene, 10)
    scene.await_caught_up()
    kafka.kill()
    try:
        write(scene, 10)
        wait_until(lambda: worker.said("kafka_trouble"), 20, "it has noticed")
        sent = told(worker, signal.SIGTERM)
        assert seconds_until_the_end(worker, 0, sent, control) < STOP_S + SLACK_S
        assert worker.said("left_unfinished") is not worker.said("stopped")
    finally:
        kafka.start()
    scene.workers(1)
    scene.prove(least=20)


def test_a_second_signal_ends_it_at_once_and_nothing_is_lost(
    scene: Scene, control: Control, kafka: KafkaServer
) -> None:
    (worker,) = scene.workers(1)
    # It neither answers nor goes away: what is in hand cannot end.
    kafka.pause()
    try:
        write(scene, 2_000)
        told(worker, signal.SIGTERM)
        sent = time.monotonic()
        worker.terminate()
        assert seconds_until_the_end(worker, 1, sent, control) < AT_ONCE_S
    finally:
        kafka.resume()
    assert not worker.said("stopped")
    scene.crew.remove(worker)
    worker.end()
    scene.workers(1)
    scene.prove(least=2_000)
