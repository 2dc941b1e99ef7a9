"""One check at a time, made as the command makes it, on the servers that all tests share."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest
from psycopg import conninfo
from psycopg import sql as identifiers
from pydantic import SecretStr

from outbox_school.school import school
from outbox_worker.doctor.checks import CHECKS
from outbox_worker.doctor.examine import examine
from outbox_worker.doctor.servers import Servers
from outbox_worker.settings import Settings
from tests.cli.conftest import CliCluster
from tests.harness.waiting import patient

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from outbox_worker.doctor.finding import Finding
    from outbox_worker.stores import Connection
    from tests.harness.cluster import Cluster

NOWHERE: Final = "127.0.0.1:9"
BY_NAME: Final = {each.name: each for each in CHECKS}
TIME_S: Final = 12.0


@dataclass(frozen=True)
class Doctor:
    """Makes checks of one database and one cluster of brokers."""

    url: str
    bootstrap: str = NOWHERE
    group: str = "outbox-worker"

    def servers(self, **given: Any) -> Servers:  # noqa: ANN401  settings
        """What the command would look at."""
        settings = Settings(
            **{
                "database_url": SecretStr(self.url),
                "kafka_bootstrap_servers": self.bootstrap,
                "group": self.group,
                **given,
            }
        )
        return Servers(settings, school.tables)

    def look(self, name: str, **given: Any) -> Finding:  # noqa: ANN401  settings
        """What one check finds."""
        (found,) = examine(self.servers(**given), [BY_NAME[name]], patient(TIME_S))
        return found.finding


@contextmanager
def login(link: Connection, *roles: str) -> Iterator[str]:
    """The URL of a login that is a member of these roles, for as long as the block lasts."""
    name = f"login_{uuid.uuid4().hex[:8]}"
    role = identifiers.Identifier(name)
    link.execute(identifiers.SQL("CREATE ROLE {} LOGIN").format(role))
    for each in roles:
        grant = identifiers.SQL("GRANT {} TO {}").format(identifiers.Identifier(each), role)
        link.execute(grant)
    try:
        yield conninfo.make_conninfo(link.info.dsn, user=name)
    finally:
        link.execute(identifiers.SQL("DROP OWNED BY {}").format(role))
        link.execute(identifiers.SQL("DROP ROLE {}").format(role))


@pytest.fixture
def doctor(database: str) -> Doctor:
    """Of a migrated database of this test alone."""
    return Doctor(database)


@pytest.fixture
def outsider(database: str) -> Iterator[psycopg.Connection]:
    """A session in which a test keeps a transaction open; it is rolled back."""
    with psycopg.connect(database) as link:
        yield link
        link.rollback()


@pytest.fixture
def cluster(database: str, kafka_bootstrap_servers: str, tmp_path: Path) -> Iterator[CliCluster]:
    """A database of its own, two topics, no worker yet."""
    with CliCluster(database, kafka_bootstrap_servers, tmp_path) as cluster:
        yield cluster


def of(cluster: Cluster) -> Doctor:
    """The doctor of a cluster."""
    return Doctor(cluster.url, cluster.bootstrap, cluster.name)
