"""Thousands of transactions in progress at once: a position fits, or is waited out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import psycopg
import pytest
from psycopg import sql

from outbox_worker.local.postgres import PostgresServer
from tests.harness.cluster import Cluster, showing_logs
from tests.harness.databases import make_database
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

CROWD: Final = 2_000

INSERT: Final = """
    INSERT INTO outbox.event (topic, key, type, payload)
    VALUES (%(topic)s, %(key)s, 'thing.changed.v1', %(payload)s)"""
PREPARE: Final = sql.SQL("PREPARE TRANSACTION {}")
COMMIT: Final = sql.SQL("COMMIT PREPARED {}")
ROLL_BACK: Final = sql.SQL("ROLLBACK PREPARED {}")


@pytest.fixture
def crowded(kafka_bootstrap_servers: str, tmp_path: Path) -> Iterator[Cluster]:
    """A cluster on a server that takes thousands of prepared transactions."""
    with PostgresServer(settings={"max_prepared_transactions": str(CROWD + 100)}) as server:
        url = server.url(make_database(server))
        with showing_logs(Cluster(url, kafka_bootstrap_servers, tmp_path)) as cluster:
            yield cluster


def write_crowd(cluster: Cluster) -> None:
    """Leave transactions in progress, with committed ones between them at uneven distances."""
    with psycopg.connect(cluster.url, autocommit=True) as connection, connection.pipeline():
        for n in range(CROWD):
            connection.execute("BEGIN")
            write(connection, cluster, f"open-{n}")
            connection.execute(PREPARE.format(f"t{n}"))
            # A pipeline is one transaction where nothing else is said.
            for _ in range(n * n % 4):
                connection.execute("BEGIN")
                write(connection, cluster, f"done-{n % 40}")
                connection.execute("COMMIT")


def write(connection: psycopg.Connection[tuple[object, ...]], cluster: Cluster, key: str) -> None:
    """Insert one event."""
    connection.execute(INSERT, {"topic": cluster.topics[0], "key": key, "payload": b"{}"})


def end_crowd(cluster: Cluster) -> None:
    """Commit two of three, in another order than they began; roll back the third."""
    with psycopg.connect(cluster.url, autocommit=True) as connection, connection.pipeline():
        for n in sorted(range(CROWD), key=lambda n: n * 7919 % CROWD):
            connection.execute((ROLL_BACK if n % 3 == 0 else COMMIT).format(f"t{n}"))


def test_two_thousand_transactions_in_progress_fit_or_are_waited_out(crowded: Cluster) -> None:
    cluster = crowded
    workers = cluster.workers(2)
    write_crowd(cluster)
    rows = cluster.rows()

    def settled() -> bool:
        waits = any(worker.said("too_many_transactions_in_progress") for worker in workers)
        return waits or cluster.subscriber.has_all(rows)

    wait_until(settled, 30, "what is committed is read, or the worker says what it waits for")
    end_crowd(cluster)
    cluster.assert_exactly_once(least=len(rows) + CROWD // 2)
