"""The same short story on every server: everything the program does, and a killed worker."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import psycopg

from tests.cli.conftest import run_command
from tests.harness.cluster import Cluster
from tests.harness.databases import make_empty_database
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from outbox_worker.local.postgres import PostgresServer

EVENTS: Final = 300
COMMANDS: Final = 5
TOO_OLD: Final = 3
"""The exit code of a command that met a server older than the oldest."""

SUBMIT: Final = """
    SELECT outbox.submit('CreateClass', 'teacher', '{"name": "9A", "course_codes": ["ENG5"]}',
                         'teacher')"""
COUNT_SUCCEEDED: Final = "SELECT count(*) FROM outbox.command WHERE status = 'succeeded'"


def run_worker_tests(server: PostgresServer, bootstrap: str, folder: Path) -> int:
    """Migrate, run, kill, rebase, look, verify, purge; how many events were carried.

    `AssertionError` where anything is not as it must be.
    """
    url = server.url(make_empty_database(server))
    with Cluster(url, bootstrap, folder) as cluster:
        cluster.settings["topic_prefix"] = f"{cluster.name}."
        cluster.listen_to({f"{cluster.name}.class.created.v1": 2})
        cluster.run("migrate")
        with cluster.workload():
            first, _ = cluster.workers(2)
            cluster.await_more(EVENTS)
            with psycopg.connect(url, autocommit=True) as link:
                for _ in range(COMMANDS):
                    link.execute(SUBMIT)
                first.kill()
                cluster.await_more(EVENTS)
                wait_until(
                    lambda: link.execute(COUNT_SUCCEEDED).fetchone() == (COMMANDS,),
                    60,
                    "the commands are executed",
                )
        cluster.await_caught_up()
        cluster.stop_all()
        cluster.run("rebase", "--execute")
        with cluster.workload(seed=2):
            cluster.workers(1)
            cluster.await_more(EVENTS)
            for asked in (["status"], ["status", "--json"]):
                wait_until(partial(finds_all_well, asked, cluster), 30, "status finds all well")
        rows = cluster.assert_exactly_once()
        tail = cluster.run("tail", cluster.topics[0], "--from-beginning", "--max", "3")
        assert tail.count("\n") >= 3, tail
        cluster.run("verify")
        cluster.run("purge", "--older-than-days", "1", "--class-type", "all")
    return len(rows)


def finds_all_well(arguments: list[str], cluster: Cluster) -> bool:
    """Whether a command ends with 0."""
    return run_command(*arguments, **cluster.settings).returncode == 0


def is_refused(server: PostgresServer) -> bool:
    """Whether `migrate` names the server as too old, in one message with its exit code."""
    done = run_command("migrate", database_url=server.url())
    return done.returncode == TOO_OLD and "or newer" in done.stderr
