"""`/livez` and `/readyz` of a real worker while Postgres and Kafka come and go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import psycopg
import pytest

from outbox_worker.local.postgres import PostgresServer
from tests.harness.cluster import Cluster, free_address, showing_logs
from tests.harness.databases import make_database
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from outbox_worker.local.kafka import KafkaServer
    from tests.harness.workers import Worker

pytestmark = pytest.mark.slow

STATES: Final = "SELECT DISTINCT state FROM outbox.lag"
NOTICE_S: Final = 40.0
"""Within so long it is known that a server is gone, or back."""


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


@pytest.fixture
def worker(kafka: KafkaServer, own_postgres: PostgresServer, tmp_path: Path) -> Iterator[Worker]:
    """A worker that is ready, on servers that the test may stop."""
    url = own_postgres.url(make_database(own_postgres))
    settings = {"http_address": free_address()}
    with showing_logs(Cluster(url, kafka.bootstrap, tmp_path, **settings)) as cluster:
        (worker,) = cluster.workers(1)
        await_ready(worker)
        yield worker
        assert worker.stop() == 0


def await_ready(worker: Worker) -> None:
    ready = (200, '{"status": "ok", "shards": {"up_to_date": 16}}\n')
    wait_until(lambda: worker.ready() == ready, NOTICE_S, "it is ready")
    assert worker.live() == (200, '{"status": "ok"}\n')


def await_lack(worker: Worker, part: str, other: str) -> None:
    """Wait until it says that it lacks this and not the other; it is alive nevertheless."""

    def lacks() -> bool:
        status, body = worker.ready()
        return status == 503 and f'"{part}": ' in body and f'"{other}": ' not in body

    wait_until(lacks, NOTICE_S, f"it lacks {part} and no {other}")
    assert worker.live()[0] == 200


def await_shards(worker: Worker, state: str) -> None:
    """Wait until the view says this of all shards."""
    with psycopg.connect(worker.database_url, autocommit=True) as link:
        wait_until(
            lambda: link.execute(STATES).fetchall() == [(state,)], NOTICE_S, f"all are {state}"
        )


def test_a_worker_says_what_it_lacks_and_is_ready_again_when_it_is_back(
    kafka: KafkaServer, own_postgres: PostgresServer, worker: Worker
) -> None:
    own_postgres.stop()
    await_lack(worker, "database", "broker")
    own_postgres.start()
    await_ready(worker)
    kafka.stop()
    try:
        await_lack(worker, "broker", "database")
        await_shards(worker, "kafka_away")
        assert worker.metrics().value("outbox_shards", state="kafka_away") == 16
    finally:
        kafka.start()
    await_ready(worker)
    await_shards(worker, "up_to_date")
