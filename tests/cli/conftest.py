"""A database, topics and the installed command around it, for each test of a command."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest

from outbox_worker.local.postgres import PostgresServer
from tests.harness.cluster import Cluster
from tests.harness.databases import copy_owners, make_database, make_empty_database
from tests.harness.waiting import patient, wait_until
from tests.harness.workers import COMMAND, environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMMAND_S: Final = 60.0
PUBLISH_S: Final = 30.0

PUBLISH: Final = "SELECT outbox.publish(%s, %s, 'order.placed', %s::jsonb)::text"
HAVE_ALL_ENDED: Final = """
    SELECT pg_snapshot_xmin(pg_current_snapshot()) > coalesce(max(xid), '0') FROM outbox.event
"""
COUNT_WAITING: Final = "SELECT sum(events) FROM outbox.lag"


class CliCluster(Cluster):
    """A cluster whose tests run commands beside its workers."""

    def command(self, *arguments: str, **settings: Any) -> subprocess.CompletedProcess[str]:  # noqa: ANN401  as text
        """Run a command to its end, with the cluster's settings and these."""
        return run_command(*arguments, **{**self.settings, **settings})

    def write(self, *keys: str) -> list[str]:
        """One event and one transaction for each key, into the first topic; their ids."""
        with psycopg.connect(self.url, autocommit=True) as link:
            return self.write_by(link, *keys)

    def write_by(self, link: psycopg.Connection, *keys: str) -> list[str]:
        """The same in a transaction of the caller's."""
        found = []
        for number, key in enumerate(keys):
            payload = f'{{"number": {number}}}'
            row = link.execute(PUBLISH, (self.topics[0], key, payload)).fetchone()
            found.append("" if row is None else row[0])
        return found

    def await_all_ended(self) -> None:
        """Wait until every transaction that wrote an event has ended for everybody."""
        with psycopg.connect(self.url, autocommit=True) as link:
            wait_until(
                lambda: link.execute(HAVE_ALL_ENDED).fetchone() == (True,),
                PUBLISH_S,
                "no older transaction is open",
            )

    def publish_all(self, **settings: str) -> None:
        """Let a worker publish what is there, and go."""
        worker = self.worker(**settings)
        wait_until(lambda: self.waiting() == 0, PUBLISH_S, "the mirror says all is published")
        assert worker.stop() == 0

    def waiting(self) -> int:
        """How many events are not published, as the mirror knows."""
        with psycopg.connect(self.url) as link:
            row = link.execute(COUNT_WAITING).fetchone()
            return -1 if row is None else int(row[0])


def run_command(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command to its end under these settings and no others."""
    return subprocess.run(
        [COMMAND, *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=patient(COMMAND_S),
        env={**environment(settings), "COLUMNS": "200"},
    )


def move(cluster: CliCluster, postgres: PostgresServer, target: PostgresServer) -> None:
    """Dump the cluster's database, load it into `target`, and use it there."""
    name = make_empty_database(target)
    copy_owners(postgres, target)
    dump = subprocess.run(
        [str(postgres.binary("pg_dump")), "-d", cluster.url], check=True, capture_output=True
    )
    load = [str(target.binary("psql")), "-q", "-v", "ON_ERROR_STOP=1", "-d", target.url(name)]
    subprocess.run(load, check=True, input=dump.stdout, capture_output=True)
    cluster.move_to(target.url(name))


def make_roles(target: PostgresServer) -> None:
    """Roles belong to a cluster; a dump of one database does not bring them."""
    make_database(target)


@pytest.fixture(scope="module")
def other_cluster() -> Iterator[PostgresServer]:
    """A second cluster: its xids are not those of the first."""
    with PostgresServer() as server:
        yield server


@pytest.fixture
def cluster(database: str, kafka_bootstrap_servers: str, tmp_path: Path) -> Iterator[CliCluster]:
    """A database of its own, two topics (four and three partitions), no worker yet."""
    with CliCluster(database, kafka_bootstrap_servers, tmp_path) as cluster:
        yield cluster
