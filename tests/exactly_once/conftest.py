"""Clusters: on the servers that all tests share, or on servers that a test may harm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from outbox_worker.local.postgres import PostgresServer
from tests.harness.brokers import own_broker
from tests.harness.cluster import Cluster, showing_logs
from tests.harness.databases import make_database
from tests.harness.machine_pauses import watched
from tests.harness.rights import GUARD, Rights

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from outbox_worker.local.kafka import KafkaServer
    from tests.harness.machine_pauses import Calm


@pytest.fixture
def cluster(database: str, kafka_bootstrap_servers: str, tmp_path: Path) -> Iterator[Cluster]:
    """A cluster on the shared servers."""
    with showing_logs(Cluster(database, kafka_bootstrap_servers, tmp_path)) as cluster:
        yield cluster


@pytest.fixture
def calm(database: str) -> Iterator[Calm]:
    """Whether the machine went on while the test ran."""
    with watched(database) as calm:
        yield calm


@pytest.fixture(scope="module")
def own_kafka() -> Iterator[KafkaServer]:
    """A broker that the tests of one module may kill; they leave it running."""
    with own_broker() as server:
        yield server


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[PostgresServer]:
    """A Postgres that the tests of one module may kill; they leave it running."""
    with PostgresServer() as server:
        yield server


@pytest.fixture
def own_broker_cluster(database: str, own_kafka: KafkaServer, tmp_path: Path) -> Iterator[Cluster]:
    """A cluster on the broker that may be killed."""
    with showing_logs(Cluster(database, own_kafka.bootstrap, tmp_path)) as cluster:
        yield cluster


@pytest.fixture
def own_postgres_cluster(
    own_postgres: PostgresServer, kafka_bootstrap_servers: str, tmp_path: Path
) -> Iterator[Cluster]:
    """A cluster on the Postgres that may be killed."""
    url = own_postgres.url(make_database(own_postgres))
    with showing_logs(Cluster(url, kafka_bootstrap_servers, tmp_path)) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def guarded_kafka() -> Iterator[KafkaServer]:
    """A broker on which the workers may do what they were granted, and nothing else."""
    with own_broker(settings=GUARD) as server:
        yield server


@pytest.fixture
def rights(guarded_kafka: KafkaServer) -> Iterator[Rights]:
    """The rights of the workers on the guarded broker; none at first."""
    rights = Rights(guarded_kafka)
    yield rights
    rights.take_all()


@pytest.fixture
def guarded_cluster(
    database: str, guarded_kafka: KafkaServer, rights: Rights, tmp_path: Path
) -> Iterator[Cluster]:
    """A cluster whose workers come to the guarded broker as a user without any right."""
    settings = {
        "kafka_bootstrap_servers": rights.bootstrap,
        "kafka_properties": rights.properties(tmp_path),
    }
    with showing_logs(Cluster(database, guarded_kafka.bootstrap, tmp_path, **settings)) as cluster:
        yield cluster
