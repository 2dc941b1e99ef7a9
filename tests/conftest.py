"""Real servers for all tests: one Postgres and one broker, a database for each test.

What is missing on this machine fails the run: a skipped proof is none. Tests that stop,
kill or cut off a broker start their own, which takes Java 17 with Maven; for all others
Docker will do, or a broker that OUTBOX_LOCAL_KAFKA names.
"""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import psycopg
import pytest
import structlog
from psycopg import sql as identifiers

from outbox_school.school import school
from outbox_worker.local.broker import open_broker
from outbox_worker.local.postgres import PostgresServer
from outbox_worker.maintenance import partitions
from outbox_worker.postgres import database as connections
from outbox_worker.postgres import migrations
from tests.harness.brokers import own_broker
from tests.harness.cluster import CONNECT_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from outbox_worker.local.kafka import KafkaServer
    from outbox_worker.stores import Connection

TEMPLATE: Final = "outbox_template"
IS_THERE: Final = "SELECT FROM pg_database WHERE datname = %s"


@pytest.fixture(scope="session", autouse=True)
def _patient_connections() -> Iterator[None]:
    """What tests ask of Postgres waits longer for it than a worker; workers stay as deployed."""
    with pytest.MonkeyPatch.context() as patch:
        given = {**connections.CONNECT_DEFAULTS, "connect_timeout": CONNECT_S}
        patch.setattr(connections, "CONNECT_DEFAULTS", given)
        yield


@pytest.fixture(autouse=True)
def _logs_as_they_come() -> None:
    """A test that had a command set up its logs says nothing of those of the next test."""
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A Postgres with a migrated template database."""
    with PostgresServer() as server:
        make_template(server)
        yield server


def make_template(postgres: PostgresServer) -> str:
    """The name of the template, made where there is none of today: days have partitions."""
    name = f"{TEMPLATE}_{datetime.now(UTC):%Y%m%d}"
    with psycopg.connect(postgres.url(), autocommit=True) as admin:
        if admin.execute(IS_THERE, (name,)).rowcount:
            return name
        admin.execute(identifiers.SQL("CREATE DATABASE {}").format(identifiers.Identifier(name)))
    with connections.connect(postgres.url(name), application="tests") as link:
        migrations.apply(link, school.tables)
        partitions.run_once(link)
    return name


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaServer]:
    """A broker of our own, for tests that kill it or ask what only it can answer."""
    with own_broker() as server:
        yield server


@pytest.fixture(scope="session")
def kafka_bootstrap_servers() -> Iterator[str]:
    """A real transactional broker that nobody kills."""
    with open_broker() as bootstrap:
        yield bootstrap


@contextmanager
def new_database(postgres: PostgresServer) -> Iterator[str]:
    """A copy of the template for as long as the block lasts."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres.url(), autocommit=True) as admin:
        order = identifiers.SQL("CREATE DATABASE {} TEMPLATE {}")
        template = make_template(postgres)
        admin.execute(order.format(identifiers.Identifier(name), identifiers.Identifier(template)))
        yield postgres.url(name)
        order = identifiers.SQL("DROP DATABASE {} WITH (FORCE)")
        admin.execute(order.format(identifiers.Identifier(name)))


@pytest.fixture
def database(postgres: PostgresServer) -> Iterator[str]:
    """The URL of a migrated database of this test alone."""
    with new_database(postgres) as url:
        yield url


@pytest.fixture(scope="module")
def migrated_database_url(postgres: PostgresServer) -> Iterator[str]:
    """The URL of a migrated database that the tests of one module share."""
    with new_database(postgres) as url:
        yield url


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    """An autocommit connection to the test's database."""
    with connections.connect(database, application="tests") as link:
        yield link
