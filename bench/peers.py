"""Other queues in Postgres run the same CreateStudent statements as jobs.

    python -m bench.peers PEER URL JOBS

procrastinate runs one job of a key at a time (its `lock`), as ours; PgQueuer keeps no order. Both
promise a job at least once: its own transaction commits before the queue marks it as done.
"""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

import asyncpg
import procrastinate
from pgqueuer import AsyncpgPoolDriver, Job, PgQueuer, Queries
from pgqueuer.domain.types import QueueExecutionMode
from psycopg_pool import AsyncConnectionPool

from bench.commands import EVENT, KEYS
from bench.versions import ROOT
from outbox_school.statements import sql as school
from outbox_worker.stores.loader import sql

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bench.scene import Place

AT_ONCE: Final = 10
"""Jobs taken at a time, and connections for their own statements, so as many run at once."""

CHUNK: Final = 1_000


class Students:
    """What a job does: the statements of one command in one transaction, ours but for the queue."""

    def __init__(self, pool: AsyncConnectionPool) -> None:
        """Take connections from `pool`."""
        self._pool = pool
        self.ended_at = 0.0
        self.done = 0

    async def create(self, number: int) -> None:
        """A student and its event."""
        name, teacher = str(number), f"teacher-{number % KEYS}"
        student = {
            "student_id": f"00000000-0000-4000-8000-{number:012}",
            "owner": teacher,
            "first_name": "Student",
            "last_name": name,
            "legal_full_name": f"Student {name}",
            "email": f"student-{name}@school.example",
            "email_key": f"student-{name}@school.example",
        }
        event = {
            "topic": "bench.peer",
            "key": teacher,
            "type": "peer.v1",
            "payload": EVENT,
            "correlation_id": name,
        }
        async with self._pool.connection() as link, link.transaction():
            await link.execute(school.load("student/insert_student"), student)
            await link.execute(sql.load("event/insert_event"), event)
        self.done += 1
        self.ended_at = time.perf_counter()


@asynccontextmanager
async def _students(url: str) -> AsyncIterator[Students]:
    async with AsyncConnectionPool(url, min_size=AT_ONCE, max_size=AT_ONCE, open=False) as pool:
        await pool.wait()
        yield Students(pool)


async def run_procrastinate(url: str, jobs: int) -> float:
    """Jobs a second from the start of its worker until the last job is done."""
    app = procrastinate.App(
        connector=procrastinate.PsycopgConnector(conninfo=url, max_size=AT_ONCE)
    )
    async with _students(url) as students, app.open_async():
        await app.schema_manager.apply_schema_async()

        @app.task(name="create_student")
        async def create_student(number: int) -> None:
            await students.create(number)

        for first in range(1, jobs + 1, CHUNK):
            numbers = range(first, min(first + CHUNK, jobs + 1))
            await app.job_manager.batch_defer_jobs_async(
                [
                    create_student.configure(
                        lock=f"teacher-{n % KEYS}", task_kwargs={"number": n}
                    ).job
                    for n in numbers
                ]
            )
        began = time.perf_counter()
        await app.run_worker_async(concurrency=AT_ONCE, wait=False, install_signal_handlers=False)
        return _rate(students, jobs, began)


async def run_pgqueuer(url: str, jobs: int) -> float:
    """Jobs a second from the start of its worker until the last job is done."""
    async with _students(url) as students, asyncpg.create_pool(url, min_size=2) as pool:
        # On psycopg each statement of the queue waits for its listener, up to a second.
        driver = AsyncpgPoolDriver(pool)
        queries = Queries(driver)
        await queries.install()
        for first in range(1, jobs + 1, CHUNK):
            numbers = range(first, min(first + CHUNK, jobs + 1))
            payloads: list[bytes | None] = [str(number).encode() for number in numbers]
            await queries.enqueue(["create_student"] * len(payloads), payloads, [0] * len(payloads))
        queue = PgQueuer(driver)

        @queue.entrypoint("create_student")
        async def create_student(job: Job) -> None:
            await students.create(int(job.payload or b""))

        began = time.perf_counter()
        await queue.run(batch_size=AT_ONCE, mode=QueueExecutionMode.drain)
        return _rate(students, jobs, began)


def _rate(students: Students, jobs: int, began: float) -> float:
    if students.done != jobs:
        raise RuntimeError(f"{students.done} of {jobs} jobs were done")
    return jobs / (students.ended_at - began)


PEERS: Final = {"procrastinate": run_procrastinate, "pgqueuer": run_pgqueuer}


def measure(place: Place, peer: str, jobs: int) -> float:
    """Jobs a second of `peer` in a process of its own, in the database of `place`."""
    order = [sys.executable, "-m", "bench.peers", peer, place.url, str(jobs)]
    done = subprocess.run(order, cwd=ROOT, check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout))


def name_of(peer: str) -> str:
    """With its version, as the report calls it."""
    return f"{peer} {version(peer)}"


def main() -> None:
    """Print the rate as a number."""
    peer, url, jobs = sys.argv[1:]
    logging.disable(logging.WARNING)
    print(json.dumps(asyncio.run(PEERS[peer](url, int(jobs)))))


if __name__ == "__main__":
    main()
