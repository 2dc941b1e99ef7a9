"""Postgres is restarted without ado; its backends are terminated at random."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING, Final

import pytest

from tests.harness.terminations import terminate_backends

if TYPE_CHECKING:
    from outbox_worker.local.postgres import PostgresServer
    from tests.harness.scene import Scene

pytestmark = pytest.mark.slow

TERMINATING_S: Final = 20.0
LEAST: Final = 41


def test_backends_are_terminated_at_random_for_20_seconds(scene: Scene) -> None:
    over = threading.Event()
    timer = threading.Timer(TERMINATING_S, over.set)
    with scene.workload():
        scene.workers(3)
        timer.start()
        terminate_backends(scene.url, random.Random(3), over, LEAST)
        scene.await_more(200)
        assert len(scene.alive) == 3
    scene.prove()


def test_postgres_is_restarted_without_ado(
    own_postgres: PostgresServer, own_postgres_scene: Scene
) -> None:
    scene = own_postgres_scene
    with scene.workload():
        workers = scene.workers(3)
        for _ in range(2):
            scene.await_more(100)
            own_postgres.restart("immediate")
        scene.await_more(200)
        assert scene.alive == workers
    scene.prove()
