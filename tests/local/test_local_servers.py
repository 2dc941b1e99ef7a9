"""Local servers come up, keep their data, and leave nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from outbox_worker.errors import ServerError
from outbox_worker.local import jars
from outbox_worker.local.broker import open_broker
from outbox_worker.local.kafka import KafkaServer
from outbox_worker.local.postgres import PostgresServer
from tests.harness.waiting import wait_until
from tests.harness.workers import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

PARENT_OF_WORKER = """
import sys
from pathlib import Path
from tests.harness.workers import COMMAND, Worker
log, url = sys.argv[1:]
order = [COMMAND, "run", "--role", "commands"]
worker = Worker("orphan", Path(log), order, database_url=url, http_address="")
print(worker.process.pid, flush=True)
sys.stdin.read()
"""

PARENT = """
import sys
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from outbox_worker.local.kafka import KafkaServer
from outbox_worker.local.postgres import PostgresServer
with PostgresServer() as postgres, KafkaServer() as kafka:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    admin.create_topics([NewTopic("pressed", 1)])["pressed"].result()
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "compression.type": "lz4"})
    producer.produce("pressed", b"0" * 10_000)
    assert producer.flush() == 0
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


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder for all that programs leave in the folder of temporary files."""
    with tempfile.TemporaryDirectory(prefix="outbox-test-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        yield folder


def test_sigkill_of_the_parent_leaves_no_process_and_no_file(temporary: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT],
        env={**os.environ, "TMPDIR": str(temporary)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    directories = [Path(word) for word in parent.stdout.readline().split()]
    assert all(directory.is_dir() for directory in directories)
    assert list(temporary.glob("outbox-kafka-*/*lz4*")), "Kafka unpacked its library elsewhere"
    names = [str(directory) for directory in directories]
    assert running(names)
    os.kill(parent.pid, signal.SIGKILL)
    parent.communicate()
    wait_until(lambda: not running(names), 20, "no server runs any more")
    wait_until(lambda: not any(temporary.iterdir()), 20, "no file is left")


def test_sigkill_of_a_test_run_leaves_no_worker(database: str, tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    with subprocess.Popen(
        [sys.executable, "-c", PARENT_OF_WORKER, str(log), database],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        wait_until(lambda: '"started"' in log.read_text(), 20, "the worker is at work")
        assert lives(worker)
        parent.kill()
    wait_until(lambda: not lives(worker), 20, "no worker runs any more")


def lives(pid: int) -> bool:
    """Whether there is a process of this number, zombies not counted."""
    order = ["ps", "-o", "stat=", "-p", str(pid)]
    state = subprocess.run(order, check=False, capture_output=True, text=True).stdout.strip()
    return state != "" and not state.startswith("Z")


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


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty folder that is all of the PATH, on a machine without anything of a broker."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("OUTBOX_LOCAL_KAFKA", raising=False)
    return folder


def install(program: Path, says: str = "") -> None:
    program.write_text(f"#!/bin/sh\necho '{says}' >&2\n", encoding="utf-8")
    program.chmod(0o755)


def test_without_java_and_docker_the_error_says_what_to_install(programs: Path) -> None:
    with pytest.raises(ServerError, match="neither Java 17 with Maven nor Docker") as caught:
        open_broker().__enter__()
    assert "openjdk-17" in caught.value.hint
    assert "OUTBOX_LOCAL_KAFKA" in caught.value.hint


@pytest.mark.parametrize(
    ("java", "maven", "lack"),
    [
        ("", True, "no Java"),
        ('java version "1.8.0_442"', True, "Java 8"),
        ('openjdk version "11.0.2" 2019-01-15', True, "Java 11"),
        ("Unable to locate a Java Runtime.", True, "no Java"),
        ('openjdk version "17.0.15" 2025-04-15', False, "no Maven"),
    ],
)
def test_a_broker_of_our_own_says_what_it_lacks(
    programs: Path, java: str, lack: str, *, maven: bool
) -> None:
    """Docker or a broker that is given do not help: nobody could stop that one."""
    if java:
        install(programs / "java", java)
    if maven:
        install(programs / "mvn")
    assert not jars.have_java()
    with pytest.raises(ServerError, match=f"Java 17 or newer .* here is {lack}") as caught:
        KafkaServer()
    assert "openjdk-17" in caught.value.hint
    assert "Docker" not in caught.value.hint


@pytest.mark.parametrize("said", ['openjdk version "17.0.15" 2025-04-15', 'version "25-ea"'])
def test_java_is_new_enough_from_17_on(programs: Path, said: str) -> None:
    install(programs / "java", said)
    install(programs / "mvn")
    jars.need_java()
