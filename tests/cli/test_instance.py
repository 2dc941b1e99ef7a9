"""Under one OUTBOX_INSTANCE_ID runs one process: the name is held, lost, and taken again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import psycopg
import pytest

from outbox_worker.local.postgres import PostgresServer
from outbox_worker.maintenance.instance import OPTIONS, TAKEN_S
from outbox_worker.postgres import database as connections
from tests.cli.conftest import CliCluster
from tests.harness.databases import make_database
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.harness.workers import Worker

NAME: Final = "one"
START_S: Final = 60.0
REFUSE_S: Final = 40.0
"""A name that is taken is asked for during 10 s; before and after it a process starts and ends."""

KEEPALIVES: Final = ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count")
HOLDERS: Final = """
    SELECT pid FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND datname = current_database()
      AND application_name = 'outbox-worker instance'
"""

pytestmark = pytest.mark.slow


def holders(cluster: CliCluster) -> list[int]:
    """The sessions that hold a name."""
    with psycopg.connect(cluster.url) as link:
        return [row[0] for row in link.execute(HOLDERS)]


def is_held_anew(cluster: CliCluster, before: list[int]) -> bool:
    """Whether one session holds the name, and it is none of those."""
    now = holders(cluster)
    return len(now) == 1 and not set(now) & set(before)


def terminate(cluster: CliCluster, pids: list[int]) -> None:
    with psycopg.connect(cluster.url, autocommit=True) as link:
        for pid in pids:
            assert link.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,)).fetchone() == (
                True,
            )


def first(cluster: CliCluster) -> Worker:
    """A worker under the name that holds it and serves all shards."""
    worker = cluster.worker(instance_id=NAME)
    cluster.await_shards(worker)
    assert len(holders(cluster)) == 1
    return worker


def was_refused(worker: Worker) -> bool:
    """Whether it has ended with one message about the name, and exit code 2."""
    if worker.alive:
        return False
    text = worker.log.read_text(encoding="utf-8")
    assert worker.process.returncode == 2, text
    assert text.count("error: ") == 1
    assert f"error: Another process runs under OUTBOX_INSTANCE_ID {NAME}" in text
    assert "hint: Give each worker its own instance id" in text
    assert "Traceback" not in text
    return True


def await_refused(worker: Worker) -> None:
    wait_until(lambda: was_refused(worker), REFUSE_S, f"{worker.name} is refused")


def prove(cluster: CliCluster, worker: Worker) -> None:
    """The worker is at work."""
    new = cluster.write(*"abcdef")
    wait_until(lambda: cluster.subscriber.has_all(new), START_S, "new events are read")
    assert cluster.alive == [worker]
    assert worker.stop() == 0
    wait_until(lambda: holders(cluster) == [], START_S, "nobody holds a name")


def test_a_vanished_machine_lets_its_name_go_before_the_next_one_is_refused(database: str) -> None:
    with connections.connect(database, application="tests", options=OPTIONS) as link:
        idle, interval, count = (
            int(row[0]) for name in KEEPALIVES for row in link.execute(f"SHOW {name}".encode())
        )
    assert idle + interval * count < TAKEN_S


def test_a_second_process_under_one_id_is_refused(cluster: CliCluster) -> None:
    worker = first(cluster)
    await_refused(cluster.worker(instance_id=NAME))
    cluster.worker(instance_id="another").stop()
    prove(cluster, worker)


def test_a_name_whose_session_was_ended_is_taken_again(cluster: CliCluster) -> None:
    worker = first(cluster)
    before = holders(cluster)
    terminate(cluster, before)
    wait_until(lambda: is_held_anew(cluster, before), START_S, "the name is held again")
    wait_until(lambda: worker.said("instance_lock_back"), START_S, "it says so")
    assert worker.said("instance_lock_lost", level="warning")
    await_refused(cluster.worker(instance_id=NAME))
    prove(cluster, worker)


def test_a_process_that_finds_its_name_taken_ends(cluster: CliCluster) -> None:
    worker = first(cluster)
    before = holders(cluster)
    worker.pause()
    terminate(cluster, before)
    other = cluster.worker(instance_id=NAME)
    wait_until(lambda: is_held_anew(cluster, before), START_S, "the other one has the name")
    worker.resume()
    await_refused(worker)
    prove(cluster, other)


@pytest.fixture
def own_cluster(
    kafka_bootstrap_servers: str, tmp_path: Path
) -> Iterator[tuple[CliCluster, PostgresServer]]:
    """A cluster on a Postgres that the test may restart."""
    with PostgresServer() as server:
        url = server.url(make_database(server))
        with CliCluster(url, kafka_bootstrap_servers, tmp_path) as cluster:
            yield cluster, server


def test_a_name_is_taken_again_after_a_restart_of_postgres(
    own_cluster: tuple[CliCluster, PostgresServer],
) -> None:
    cluster, server = own_cluster
    worker = first(cluster)
    server.stop()
    wait_until(lambda: worker.said("instance_lock_lost"), START_S, "it has noticed")
    assert worker.alive
    server.start()
    wait_until(lambda: is_held_anew(cluster, []), START_S, "the name is held again")
    await_refused(cluster.worker(instance_id=NAME))
    prove(cluster, worker)
