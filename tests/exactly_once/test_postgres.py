"""Postgres is restarted without ado; its backends are terminated at random."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING, Final

import psycopg
import pytest

if TYPE_CHECKING:
    from outbox_worker.local.postgres import PostgresServer
    from tests.harness.scene import Scene

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

BACKENDS: Final = """
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend'
      AND pid <> pg_backend_pid()
    ORDER BY pid"""
TERMINATE: Final = "SELECT pg_terminate_backend(%s)"
TERMINATING_S: Final = 20.0
EVERY_S: Final = 0.25


def terminate_backends(url: str, rng: random.Random, over: threading.Event) -> int:
    """End one backend after the other until `over`; returns how many."""
    count = 0
    with psycopg.connect(url, autocommit=True) as connection:
        while not over.wait(EVERY_S):
            pids = [row[0] for row in connection.execute(BACKENDS)]
            if pids:
                connection.execute(TERMINATE, (rng.choice(pids),))
                count += 1
    return count


def test_backends_are_terminated_at_random_for_20_seconds(scene: Scene) -> None:
    over = threading.Event()
    timer = threading.Timer(TERMINATING_S, over.set)
    with scene.workload():
        scene.workers(3)
        timer.start()
        assert terminate_backends(scene.url, random.Random(3), over) > 40
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
