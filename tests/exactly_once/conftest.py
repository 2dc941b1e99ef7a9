"""Stages: on the servers that all tests share, or on servers that a test may harm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from outbox_worker.local.kafka import KafkaServer
from outbox_worker.local.postgres import PostgresServer
from tests.harness.databases import make_database
from tests.harness.scene import Scene, showing_logs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def scene(database: str, kafka_bootstrap_servers: str, tmp_path: Path) -> Iterator[Scene]:
    """A scene on the shared servers."""
    with showing_logs(Scene(database, kafka_bootstrap_servers, tmp_path)) as scene:
        yield scene


@pytest.fixture(scope="module")
def own_kafka() -> Iterator[KafkaServer]:
    """A broker that the tests of one module may kill; they leave it running."""
    with KafkaServer() as server:
        yield server


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[PostgresServer]:
    """A Postgres that the tests of one module may kill; they leave it running."""
    with PostgresServer() as server:
        yield server


@pytest.fixture
def own_broker_scene(database: str, own_kafka: KafkaServer, tmp_path: Path) -> Iterator[Scene]:
    """A scene on the broker that may be killed."""
    with showing_logs(Scene(database, own_kafka.bootstrap, tmp_path)) as scene:
        yield scene


@pytest.fixture
def own_postgres_scene(
    own_postgres: PostgresServer, kafka_bootstrap_servers: str, tmp_path: Path
) -> Iterator[Scene]:
    """A scene on the Postgres that may be killed."""
    url = own_postgres.url(make_database(own_postgres))
    with showing_logs(Scene(url, kafka_bootstrap_servers, tmp_path)) as scene:
        yield scene
