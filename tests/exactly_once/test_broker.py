"""The broker fails, and comes back; the worker waits for it as long as that takes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from outbox_worker.local.kafka import KafkaServer
    from tests.harness.scene import Scene
    from tests.harness.workers import Worker

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

AWAY_S = 30.0


def speaks_of_kafka(worker: Worker) -> bool:
    return worker.said("kafka_away") or worker.said("kafka_trouble")


def test_broker_is_killed_and_restarted(own_kafka: KafkaServer, own_broker_scene: Scene) -> None:
    scene = own_broker_scene
    with scene.workload():
        scene.workers(3)
        scene.await_more(100)
        own_kafka.kill()
        own_kafka.start()
        scene.await_more(200)
        assert len(scene.alive) == 3
    scene.prove()


def test_broker_is_away_for_30_seconds(own_kafka: KafkaServer, own_broker_scene: Scene) -> None:
    scene = own_broker_scene
    with scene.workload(pause_s=0.05):
        workers = scene.workers(2)
        scene.await_more(100)
        own_kafka.stop()
        stopped = time.monotonic()
        wait_until(lambda: all(map(speaks_of_kafka, workers)), 20, "the workers say what is wrong")
        wait_until(lambda: time.monotonic() - stopped > AWAY_S, AWAY_S + 5, "30 s have passed")
        assert len(scene.alive) == 2
        own_kafka.start()
        scene.await_more(200)
    scene.prove()


def test_broker_freezes_for_longer_than_a_session(
    own_kafka: KafkaServer, own_broker_scene: Scene
) -> None:
    scene = own_broker_scene
    with scene.workload():
        scene.workers(2)
        scene.await_more(100)
        own_kafka.pause()
        frozen = time.monotonic()
        wait_until(lambda: time.monotonic() - frozen > 8.0, 10, "8 s have passed")
        own_kafka.resume()
        scene.await_more(200)
        assert len(scene.alive) == 2
    scene.prove()
