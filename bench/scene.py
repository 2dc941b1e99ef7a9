"""Where it is measured: one Postgres, one broker, a database and topics for each figure."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import sql as identifiers
from pydantic import SecretStr

from bench import statements
from bench.versions import HERE, Version
from outbox_worker.kafka import anchor
from outbox_worker.kafka.admin import create_topic
from outbox_worker.kafka.clients import make_admin
from outbox_worker.local.broker import open_broker
from outbox_worker.local.guard import Guard
from outbox_worker.local.postgres import PostgresServer
from outbox_worker.postgres import database
from outbox_worker.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from outbox_worker.settings import Compression
    from outbox_worker.stores import Connection

PARTITIONS: Final = 8
CHUNK: Final = 10_000
"""Events of one transaction of a backlog."""

WAIT_S: Final = 120.0
POLL_S: Final = 0.05


def wait_for(fact: Callable[[], bool], what: str, seconds: float = WAIT_S) -> None:
    """Ask until it is so; `TimeoutError` says what was waited for."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not fact():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        pause.wait(POLL_S)


class Worker:
    """The installed command as a process, its log in a file."""

    def __init__(self, order: list[str], log: Path, settings: dict[str, str], guard: Guard) -> None:
        """Start it with these OUTBOX_ variables; `guard` ends it if we cannot."""
        self._log = log
        self._guard = guard
        kept = {name: value for name, value in os.environ.items() if not name.startswith("OUTBOX_")}
        with log.open("wb") as sink:
            self.process = subprocess.Popen(
                order,
                env=kept | settings,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                start_new_session=True,
            )
        guard.watch(self.process.pid, signal.SIGTERM)

    def said(self, event: str) -> list[dict[str, Any]]:
        """Its log lines of this event."""
        if self.process.poll() not in {None, 0, -9}:
            raise RuntimeError(f"the worker ended: {self._log.read_text()[-2000:]}")
        lines = [line for line in self._log.read_text().splitlines() if line.startswith("{")]
        return [each for each in map(json.loads, lines) if each.get("event") == event]

    @property
    def shards(self) -> frozenset[int]:
        """The shards that it last said are its own."""
        said = self.said("shards_assigned")
        return frozenset(said[-1]["shards"]) if said else frozenset()

    def wait_for_shards(self) -> None:
        """Until it has some."""
        wait_for(lambda: bool(self.shards), "a worker's shards")

    @property
    def peak_mib(self) -> float:
        """The most memory that it ever had resident."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024

    @property
    def cpu_seconds(self) -> float:
        """Processor time it used so far, all threads, user and system."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """SIGTERM, and SIGKILL where that is not enough."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._guard.forget(self.process.pid)


@dataclass(frozen=True)
class Place:
    """One database, one group and one topic of `PARTITIONS` partitions."""

    name: str
    url: str
    bootstrap: str
    directory: Path
    guard: Guard
    version: Version = HERE
    compression: Compression | None = None

    @property
    def topic(self) -> str:
        """Where its events go."""
        return f"bench.{self.name}"

    @property
    def end_topic(self) -> str:
        """Where the last event of a backlog goes."""
        return f"bench.{self.name}.end"

    @property
    def settings(self) -> Settings:
        """The worker's settings, all others at their defaults."""
        return Settings(
            database_url=SecretStr(self.url),
            kafka_bootstrap_servers=self.bootstrap,
            group=f"bench-{self.name}",
            http_address="",
            compression=self.compression,
        )

    def connect(self) -> Connection:
        """A superuser's connection, for the load and the counters."""
        return database.connect(self.url, application="bench")

    @contextmanager
    def worker(
        self, name: str = "worker", *, role: str = "relay", http_address: str = ""
    ) -> Iterator[Worker]:
        """The installed worker for as long as the block lasts."""
        found = self.settings
        worker = Worker(
            [self.version.command, "run", "--role", role],
            self.directory / f"{self.name}.{name}.log",
            {
                "OUTBOX_DATABASE_URL": self.url,
                "OUTBOX_KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
                "OUTBOX_GROUP": found.group,
                "OUTBOX_HTTP_ADDRESS": http_address,
                "OUTBOX_CREATE_TOPICS": "8:1",
                "OUTBOX_COMPRESSION": self.compression or "",
            },
            self.guard,
        )
        try:
            yield worker
        finally:
            worker.stop()

    def fill(self, events: int, *, days: int = 0) -> None:
        """Commit so many events, made `days` ago."""
        with self.connect() as link:
            for first in range(1, events + 1, CHUNK):
                last = min(first + CHUNK - 1, events)
                values = {"topic": self.topic, "first": first, "last": last, "days": days}
                link.execute(statements.load("fill"), values)

    def finish(self, *, days: int = 0) -> None:
        """Commit the event that is published last."""
        with self.connect() as link:
            link.execute(statements.load("finish"), {"topic": self.end_topic, "days": days})


class Scene:
    """The two servers; `place` makes what one figure needs."""

    def __init__(
        self, postgres: PostgresServer, bootstrap: str, directory: Path, guard: Guard
    ) -> None:
        """Share running servers; `guard` ends what they leave behind."""
        self.postgres = postgres
        self._bootstrap = bootstrap
        self._directory = directory
        self._guard = guard

    def place(self, name: str, version: Version = HERE) -> Place:
        """A database that `version` has migrated, and topics that are there already."""
        with psycopg.connect(self.postgres.url(), autocommit=True) as admin:
            admin.execute(
                identifiers.SQL("CREATE DATABASE {}").format(identifiers.Identifier(name))
            )
        url = self.postgres.url(name)
        place = Place(name, url, self._bootstrap, self._directory, self._guard, version)
        subprocess.run(
            [version.command, "migrate"],
            env=os.environ | {"OUTBOX_DATABASE_URL": url},
            check=True,
            capture_output=True,
        )
        admin_client = make_admin(place.settings)
        anchor.ensure_topic(admin_client)
        create_topic(admin_client, place.topic, PARTITIONS, 1)
        create_topic(admin_client, place.end_topic, 1, 1)
        return place

    def drop(self, place: Place) -> None:
        """Give back what the database took."""
        with psycopg.connect(self.postgres.url(), autocommit=True) as admin:
            order = identifiers.SQL("DROP DATABASE {} WITH (FORCE)")
            admin.execute(order.format(identifiers.Identifier(place.name)))


@contextmanager
def open_scene() -> Iterator[Scene]:
    """Both servers for as long as the block lasts."""
    with ExitStack() as stack:
        guard = Guard()
        stack.callback(guard.close)
        directory = Path(tempfile.mkdtemp(prefix="outbox-bench-"))
        guard.remove(directory)
        postgres = stack.enter_context(PostgresServer())
        bootstrap = stack.enter_context(open_broker())
        yield Scene(postgres, bootstrap, directory, guard)
