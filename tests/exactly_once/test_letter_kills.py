"""Workers die and freeze between steps of parking and redriving; `make letters` has all of them."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import pytest

from tests.harness.cluster import Cluster, showing_logs
from tests.harness.databases import make_database
from tests.harness.letter_rounds import play

if TYPE_CHECKING:
    from pathlib import Path

    from outbox_worker.local.postgres import PostgresServer

pytestmark = pytest.mark.slow

DEATHS: Final = (
    ("before-insert_events", "STOP"),
    ("after-insert_events", "KILL"),
    ("before-commit-mark_redriving", "STOP"),
    ("before-mark_redriven", "KILL"),
)
"""Frozen with an event in hand that the next worker publishes; dead with a row that binds; frozen
with a redrive that is not committed; dead with one that is."""


def test_workers_die_and_freeze_over_dead_letters(
    postgres: PostgresServer, kafka_bootstrap_servers: str, tmp_path: Path
) -> None:
    def run(number: int) -> None:
        point, death = DEATHS[number]
        url = postgres.url(make_database(postgres))
        with showing_logs(Cluster(url, kafka_bootstrap_servers, tmp_path)) as cluster:
            play(cluster, point, death, random.Random(number))

    with ThreadPoolExecutor(len(DEATHS)) as pool:
        list(pool.map(run, range(len(DEATHS))))
