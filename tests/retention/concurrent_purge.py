"""A purge beside a worker that executes commands, some of them on what is being purged."""

from __future__ import annotations

import hashlib
import json
import random
import re
import subprocess
import threading
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from typing_extensions import override

from outbox_worker.postgres import database as connections
from tests.harness.cluster import free_address
from tests.harness.waiting import wait_until
from tests.harness.workers import COMMAND, Worker, environment
from tests.retention.scrape import longest_command, numbers_of_batches, scrape

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from outbox_worker.stores import Connection

SUBMIT: Final = "SELECT outbox.submit(%s, %s, %s::jsonb, %s)"
COUNT_QUEUED: Final = "SELECT count(*) FROM outbox.command WHERE status = 'queued'"
READ_LATENCIES: Final = """
    SELECT count(*), max(seconds), percentile_cont(0.99) WITHIN GROUP (ORDER BY seconds),
           (array_agg(type ORDER BY seconds DESC))[1]
    FROM (SELECT type, extract(epoch FROM finished_at - submitted_at)::float8 AS seconds
          FROM outbox.command WHERE submitted_at >= %s AND submitted_at < %s) AS each"""
COUNT_OUTCOMES: Final = """
    SELECT type || ' ' || coalesce(error ->> 'code', result ->> 'status', status), count(*)
    FROM outbox.command WHERE submitted_at >= %s GROUP BY 1 ORDER BY 1"""
NOW: Final = "SELECT clock_timestamp()"

START_S: Final = 60.0
END_S: Final = 60.0
LOOK_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Figures:
    """What came of it. Commands: from submission to result, and from claim to commit."""

    purge_s: float
    purge_mb: float
    commands: int
    slowest_before_s: float | None
    slowest_s: float
    slowest_type: str
    p99_s: float
    longest_transaction_s: tuple[float, float]
    """Longer than this and at most so long; a busy machine makes commands wait for their turn,
    but not in here."""

    postponed: list[str]
    outcomes: dict[str, int]
    purged: dict[str, Any]
    shown: dict[tuple[str, str], float]
    """What the worker shows of batches in the end."""


class Submitter(threading.Thread):
    """Submits commands at a rate: new students, new batches that fill, texts for old batches."""

    def __init__(self, url: str, batches: int, rate: float) -> None:
        """Know of `batches` that were loaded."""
        super().__init__(name="submitter", daemon=True)
        self.ending = threading.Event()
        self._url = url
        self._batches = batches
        self._pause_s = 1 / rate
        self._rng = random.Random(5)
        self._new: list[uuid.UUID] = []

    @override
    def run(self) -> None:
        with connections.connect(self._url, application="submitter") as link:
            while not self.ending.wait(self._pause_s):
                self.submit_one(link)

    def submit_one(self, link: Connection) -> None:
        """One command, of any kind."""
        kind = self._rng.random()
        if kind < 0.2:
            self._submit(link, "CreateStudent", {"first_name": "A", "last_name": "B"})
        elif kind < 0.3:
            self._confirm(link, 20 * self._rng.randint(1, self._batches // 20))
        elif kind < 0.4 or not self._new:
            self._new.append(uuid.uuid4())
            given = {"batch_id": str(self._new[-1]), "user_id": "teacher", "course_code": "ENG5"}
            self._submit(link, "RegisterBatch", {**given, "expected_essay_count": 3})
        elif kind < 0.6:
            batch = self._rng.choice(self._new[-20:])
            self._provision(link, batch, f"text {self._rng.randint(1, 5)} of {batch}")
        elif kind < 0.9:
            # A text that an old batch has, or has not; before, under and after its purge.
            batch = id_of(f"batch {self._rng.randint(1, self._batches)}")
            self._provision(link, batch, f"text {self._rng.randint(2, 50)} of {batch}")
        else:
            batch = id_of(f"never {self._rng.randint(0, 99)}")
            self._provision(link, batch, f"text {self._rng.randint(1, 500)}")

    def _confirm(self, link: Connection, number: int) -> None:
        """Say once more who wrote an essay of an old REGULAR batch."""
        batch = id_of(f"batch {number}")
        decision = {"essay_id": str(id_of(f"{batch}2")), "student_id": None, "confirmed": False}
        given = {"batch_id": str(batch), "associations": [decision]}
        self._submit(link, "ConfirmAssociations", given, f"teacher {number % 100}")

    def _provision(self, link: Connection, batch: uuid.UUID, text: str) -> None:
        given = {"batch_id": str(batch), "text_storage_id": text, "file_upload_id": f"f {text}"}
        more = {"original_file_name": "essay.docx", "file_size_bytes": 5}
        self._submit(link, "ProvisionContent", {**given, **more})

    def _submit(
        self, link: Connection, kind: str, payload: dict[str, Any], actor: str = "teacher"
    ) -> None:
        key = payload.get("batch_id", str(uuid.uuid4()))
        link.execute(SUBMIT, (kind, key, json.dumps(payload), actor))


def id_of(name: str) -> uuid.UUID:
    """An id of `load`, such as `batch 5`."""
    return uuid.UUID(hashlib.md5(name.encode(), usedforsecurity=False).hexdigest())


def purge_beside_commands(
    url: str, batches: int, folder: Path, rate: float, before_s: float = 0
) -> Figures:
    """Purge all class types beside a worker with commands at `rate` a second.

    For `before_s` the same commands come without a purge, to compare with.
    """
    settings = {"database_url": url, "http_address": free_address(), "log_level": "info"}
    order = [COMMAND, "run", "--role", "commands"]
    worker = Worker("worker", folder / "worker.log", order, **settings)
    submitter = Submitter(url, batches, rate)
    try:
        with connections.connect(url, application="tests") as link, running(submitter):
            wait_until(lambda: finished(link) > 20, START_S, "commands are executed")
            start = read_clock(link)
            submitter.ending.wait(before_s)
            began = read_clock(link)
            purged, purge_s, purge_mb = purge(url)
            submitter.ending.set()
            wait_until(lambda: queued(link) == 0, END_S, "all commands are executed")
            before = link.execute(READ_LATENCIES, (start, began)).fetchone()
            row = link.execute(READ_LATENCIES, (began, read_clock(link))).fetchone()
            outcomes: dict[str, int] = dict(link.execute(COUNT_OUTCOMES, (began,)).fetchall())
        assert row is not None
        assert before is not None
        samples = scrape(worker.http_address)
        return Figures(
            purge_s=purge_s,
            purge_mb=purge_mb,
            commands=row[0],
            slowest_before_s=before[1],
            slowest_s=row[1],
            slowest_type=row[3],
            p99_s=row[2],
            longest_transaction_s=longest_command(samples),
            postponed=[
                line.get("error", "")
                for line in worker.lines()
                if line.get("event") in {"command_postponed", "command_failed", "database_away"}
            ],
            outcomes=outcomes,
            purged=purged,
            shown=numbers_of_batches(samples),
        )
    finally:
        worker.end()


@contextmanager
def running(submitter: Submitter) -> Iterator[None]:
    """The submitter, while the block lasts."""
    submitter.start()
    try:
        yield
    finally:
        submitter.ending.set()
        submitter.join()


def purge(url: str) -> tuple[dict[str, Any], float, float]:
    """The installed command: what it says, how long it took, its most resident memory in MB."""
    order = [COMMAND, "purge", "--older-than-days", "7", "--class-type", "all", "--json"]
    began = time.monotonic()
    most = 0
    with subprocess.Popen(
        order, env=environment({"database_url": url}), stdout=subprocess.PIPE, text=True
    ) as process:
        while process.poll() is None:
            most = max(most, resident_kb(process.pid))
            try:
                process.wait(LOOK_S)
            except subprocess.TimeoutExpired:
                continue
        said = "" if process.stdout is None else process.stdout.read()
    assert process.returncode == 0
    found: dict[str, Any] = json.loads(said)
    return found, time.monotonic() - began, most / 1024


def resident_kb(pid: int) -> int:
    """The most that a process had resident; 0 once it is gone."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return 0
    found = re.search(r"VmHWM:\s+(\d+) kB", text)
    return int(found[1]) if found else 0


def read_clock(link: Connection) -> datetime:
    row = link.execute(NOW).fetchone()
    assert row is not None
    found: datetime = row[0]
    return found


def queued(link: Connection) -> int:
    row = link.execute(COUNT_QUEUED).fetchone()
    return -1 if row is None else int(row[0])


def finished(link: Connection) -> int:
    row = link.execute(
        "SELECT count(*) FROM outbox.command WHERE finished_at > now() - interval '1 minute'"
    ).fetchone()
    return -1 if row is None else int(row[0])
