"""The database moves to another server: row by row (logical replication), or upgraded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import psycopg
import pytest

from outbox_worker.local.postgres import OLDER_FOLDER, PostgresServer, find_binaries
from tests.commands.inbox import CLASS, SUBMIT, TEACHER
from tests.harness.cluster import Cluster, free_address, showing_logs
from tests.harness.databases import make_database
from tests.harness.lost_history import rebase, refusing_worker
from tests.harness.replication import BlueGreen
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness.workers import Worker

pytestmark = pytest.mark.slow

ORDER_OF_COMMANDS: Final = """
    SELECT payload->>'name', status FROM outbox.command ORDER BY finished_at"""
SYSTEM: Final = "SELECT system_identifier FROM pg_control_system()"


def version(url: str) -> int:
    """The major version of the server."""
    with psycopg.connect(url) as link:
        return link.info.server_version // 10_000


def submit(url: str, *names: str) -> None:
    """A command of one key for each name, each in a transaction of its own."""
    with psycopg.connect(url, autocommit=True) as link:
        for name in names:
            given = {
                "type": "CreateClass",
                "key": TEACHER,
                "actor": TEACHER,
                "payload": f'{{"name": "{name}", "course_codes": ["{CLASS["course_codes"][0]}"]}}',
                "command_id": None,
                "correlation_id": None,
            }
            link.execute(SUBMIT, given)


def leave_work_behind(cluster: Cluster) -> None:
    """Workers that publish, and are stopped; then events and commands that nobody sees to."""
    cluster.settings["topic_prefix"] = f"{cluster.name}."
    cluster.listen_to({f"{cluster.name}.class.created.v1": 2})
    with cluster.workload():
        cluster.workers(2)
        cluster.await_more(200)
    cluster.await_caught_up()
    cluster.stop_all()
    with cluster.workload(seed=2) as unpublished:
        wait_until(lambda: unpublished.events > 100, 20, "events are written that nobody reads")
    submit(cluster.url, "a", "b", "c")


def refuses(worker: Worker, word: str) -> bool:
    """Whether it said that it publishes nothing, and why."""
    return any(
        each.get("event") == "history_lost" and word in str(each.get("error"))
        for each in worker.lines()
    )


def go_on(cluster: Cluster) -> None:
    """What docs/operations.md says to do on the new server, beside writers that continue."""
    with cluster.workload(seed=3):
        worker = refusing_worker(cluster)
        rebase(cluster, worker)
        cluster.workers(1)
        cluster.await_more(200)
        submit(cluster.url, "d", "e")
        with psycopg.connect(cluster.url, autocommit=True) as link:
            wait_until(
                lambda: all(status == "succeeded" for _, status in link.execute(ORDER_OF_COMMANDS)),
                30,
                "the commands are executed",
            )
            names = [name for name, _ in link.execute(ORDER_OF_COMMANDS)]
    assert names == [*"abcde"]
    cluster.assert_exactly_once()
    cluster.run("verify")


def test_nothing_is_lost_repeated_or_disordered_by_a_switch_over_by_logical_replication(
    kafka_bootstrap_servers: str, tmp_path: Path
) -> None:
    with (
        BlueGreen() as pair,
        showing_logs(Cluster(pair.old_url, kafka_bootstrap_servers, tmp_path)) as cluster,
    ):
        with cluster.workload(seed=9) as first:
            wait_until(lambda: first.events > 50, 20, "there are rows to be copied")
        pair.replicate()
        assert version(pair.old_url) < version(pair.new_url)
        leave_work_behind(cluster)
        pair.await_all()
        cluster.move_to(pair.new_url)
        too_early = cluster.worker(http_address=free_address())
        assert too_early.await_end() == 1
        assert "sequence outbox.command_seq_seq stands at 0" in too_early.log.read_text()
        cluster.started.remove(too_early)
        pair.switch()
        said = cluster.run("migrate")
        assert "sequence outbox.event_id_seq stood at 0" in said
        assert "sequence outbox.command_seq_seq stood at 0" in said
        go_on(cluster)


def test_a_worker_that_reconnects_to_a_server_that_is_not_ready_waits_and_says_why(
    kafka_bootstrap_servers: str, tmp_path: Path
) -> None:
    """A group that published nothing yet: no position tells the servers apart."""
    with (
        BlueGreen() as pair,
        showing_logs(Cluster(pair.old_url, kafka_bootstrap_servers, tmp_path)) as cluster,
    ):
        # Transaction ids of blue are ahead of green's.
        with psycopg.connect(pair.old_url, autocommit=True) as link:
            for _ in range(2_000):
                link.execute("SELECT pg_current_xact_id()")
        with cluster.workload(seed=2) as unpublished:
            wait_until(lambda: unpublished.events > 100, 20, "there are events")
        pair.replicate()
        cluster.move_to(pair.new_url)
        cluster.run("migrate")
        worker = cluster.worker()
        wait_until(lambda: refuses(worker, "subscription switchover"), 30, "it names it")
        pair.switch()
        wait_until(lambda: refuses(worker, "not begun yet"), 30, "it names the rows of another")
        cluster.run("rebase", "--execute")
        wait_until(lambda: worker.said("history_mended"), 30, "it continues by itself")
        cluster.assert_exactly_once(least=100)


def test_pg_upgrade_takes_a_rebase_and_nothing_else(
    kafka_bootstrap_servers: str, tmp_path: Path
) -> None:
    with (
        PostgresServer(binaries=find_binaries(OLDER_FOLDER)) as old,
        showing_logs(
            Cluster(old.url(make_database(old)), kafka_bootstrap_servers, tmp_path)
        ) as cluster,
    ):
        leave_work_behind(cluster)
        with psycopg.connect(cluster.url) as link:
            before, identity = link.info.server_version, link.execute(SYSTEM).fetchone()
        old.stop()
        with PostgresServer(predecessor=old) as new:
            cluster.move_to(new.url(cluster.url.rpartition("/")[2]))
            with psycopg.connect(cluster.url) as link:
                assert link.info.server_version // 10_000 > before // 10_000
                assert link.execute(SYSTEM).fetchone() != identity
            assert "sequence" not in cluster.run("migrate")
            go_on(cluster)
