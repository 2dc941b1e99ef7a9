"""Many workers at once on what is overdue: each batch is decided and told once."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final

import pytest

from outbox_school.overdue import Decided
from outbox_worker.postgres import database as connections
from tests.domain.authors import (
    COMPLETION,
    decide_all,
    kinds,
    make_room,
    suggested_batch,
)
from tests.domain.concurrent_calls import WORKERS, concurrent_calls
from tests.harness.rounds import rounds
from tests.harness.waiting import patient, wait_until
from tests.harness.workers import COMMAND, ROOT, Worker

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from outbox_worker.application import Connection


def test_eight_workers_decide_each_batch_once(connection: Connection, database: str) -> None:
    room = make_room(connection)
    with concurrent_calls(database) as calls:
        sizes = [calls.chance.randint(1, 9) for _ in rounds(60)]
        batches = [suggested_batch(connection, room, size) for size in sizes]
        totals = calls.at_once([decide_all] * WORKERS)
    decided = [total for total in totals if isinstance(total, Decided)]
    assert sum(total.confirmed for total in decided) == sum(sizes)
    assert sum(total.completed for total in decided) == len(batches)
    assert [kinds(connection, batch) for batch in batches] == [COMPLETION] * len(batches)


WORKER: Final = """
import sys
from outbox_worker.postgres import database
from tests.domain.authors import decide_all
with database.connect(sys.argv[1], application="worker") as link:
    print(decide_all(link).confirmed)
"""


@pytest.mark.slow
def test_eight_processes_decide_each_batch_once(connection: Connection, database: str) -> None:
    room = make_room(connection)
    batches = [suggested_batch(connection, room, 5) for _ in range(100)]
    with connections.connect(database, application="starter") as starter:
        # They start at different speeds: all wait at the table until everybody is there.
        with starter.transaction():
            starter.execute("LOCK TABLE school.association IN ACCESS EXCLUSIVE MODE")
            workers = [
                subprocess.Popen(
                    [sys.executable, "-c", WORKER, database],
                    cwd=ROOT,
                    stdout=subprocess.PIPE,
                    text=True,
                )
                for _ in range(WORKERS)
            ]
            count = (
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                "AND application_name = 'worker' AND wait_event_type = 'Lock'"
            )
            with connections.connect(database, application="watcher") as link:
                wait_until(
                    lambda: link.execute(count).fetchone() == (WORKERS,), 60, "all are there"
                )
        said = [worker.communicate(timeout=patient(60))[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * WORKERS
    assert sum(map(int, said)) == 500
    assert [kinds(connection, batch) for batch in batches] == [COMPLETION] * len(batches)


@pytest.mark.slow
def test_two_installed_workers_decide_what_is_overdue_once(
    connection: Connection, database: str, tmp_path: Path
) -> None:
    settings = {
        "database_url": database,
        "http_address": "",
        # 0.36 s
        "association_timeout_hours": "0.0001",
        "topic_prefix": "huleedu.",
    }
    command = [COMMAND, "run", "--role", "commands"]
    workers = [Worker(f"{n}", tmp_path / f"{n}.log", command, **settings) for n in range(2)]

    def all_did(fact: Callable[[], bool]) -> bool:
        assert all(worker.alive for worker in workers)
        return fact()

    try:
        started = partial(all_did, lambda: all(worker.said("started") for worker in workers))
        wait_until(started, 60, "both workers have started")
        room = make_room(connection)
        batches = [suggested_batch(connection, room, 2, now=datetime.now(UTC)) for _ in range(20)]
        decided = partial(all_did, lambda: all(kinds(connection, batch) for batch in batches))
        wait_until(decided, 60, "all are decided")
        logged = partial(all_did, lambda: any(worker.said("job_done") for worker in workers))
        wait_until(logged, 10, "it was logged")
    finally:
        for worker in workers:
            worker.end()
            sys.stdout.write(worker.log.read_text(encoding="utf-8"))
    assert [kinds(connection, batch) for batch in batches] == [COMPLETION] * len(batches)
