"""Local servers come up, keep their data, and leave nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from outbox_worker.errors import UnreachableError
from outbox_worker.local import jars
from outbox_worker.local.postgres import PostgresServer
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from outbox_worker.local.kafka import KafkaServer

PARENT = """
import os, sys
from outbox_worker.local.kafka import KafkaServer
from outbox_worker.local.postgres import PostgresServer
with PostgresServer() as postgres, KafkaServer() as kafka:
    print(postgres.directory, kafka.directory, flush=True)
    sys.stdin.read()
"""


def test_a_crash_keeps_what_was_committed() -> None:
    with PostgresServer() as server:
        with psycopg.connect(server.url()) as link:
            link.execute("CREATE TABLE kept AS SELECT 1 AS one")
        server.restart("immediate")
        with psycopg.connect(server.url()) as link:
            assert link.execute("SELECT one FROM kept").fetchall() == [(1,)]


def test_durability_is_on(postgres: PostgresServer) -> None:
    with psycopg.connect(postgres.url()) as link:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            assert link.execute("SELECT current_setting(%s)", (name,)).fetchone() == ("on",)


def test_a_standby_follows_and_can_be_promoted(postgres: PostgresServer) -> None:
    with PostgresServer(source=postgres) as standby, psycopg.connect(standby.url()) as link:
        assert link.execute("SELECT pg_is_in_recovery()").fetchone() == (True,)
        standby.promote()
        assert link.execute("SELECT pg_is_in_recovery()").fetchone() == (False,)


@pytest.mark.timeout(120)
def test_sigkill_of_the_parent_leaves_no_process_and_no_directory() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    directories = [Path(word) for word in parent.stdout.readline().split()]
    assert all(directory.is_dir() for directory in directories)
    names = [str(directory) for directory in directories]
    assert running(names)
    os.kill(parent.pid, signal.SIGKILL)
    parent.communicate()
    wait_until(lambda: not running(names), 20, "no server runs any more")
    wait_until(lambda: not any(map(Path.exists, directories)), 20, "no directory is left")


def running(names: list[str]) -> list[str]:
    """Processes whose arguments name one of the directories, zombies not counted."""
    done = subprocess.run(
        ["ps", "-ww", "-eo", "stat,args"], check=True, capture_output=True, text=True
    )
    return [
        line
        for line in done.stdout.splitlines()
        if not line.startswith("Z") and any(name in line for name in names)
    ]


def test_a_killed_broker_comes_back_on_its_port(kafka: KafkaServer) -> None:
    before = kafka.bootstrap
    kafka.kill()
    kafka.start()
    assert kafka.bootstrap == before


def test_without_java_and_docker_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(UnreachableError, match="openjdk-17") as caught:
        jars.need_java()
    assert "OUTBOX_LOCAL_KAFKA" in caught.value.way_out
