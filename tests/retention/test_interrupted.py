"""A purge that is killed at any moment is ended by the next one, with the same end."""

from __future__ import annotations

import random
import signal
import subprocess
import uuid
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

import psycopg
import pytest
from psycopg import sql as identifiers

from outbox_school.stores import tally
from outbox_worker.postgres import database as connections
from tests.harness.waiting import patient, wait_until
from tests.harness.workers import COMMAND, environment
from tests.retention.dataset import TABLES, sizes
from tests.retention.load import Load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from outbox_worker.local.postgres import PostgresServer
    from outbox_worker.stores import Connection

LOAD: Final = Load(batches=3_000, slots=20, early=8_000, commands=20_000)
ORDER: Final = (COMMAND, "purge", "--older-than-days", "7", "--class-type", "all")
KILLS: Final = 8
START_S: Final = 60.0
END_S: Final = 100.0

COPY: Final = identifiers.SQL("CREATE DATABASE {} TEMPLATE {}")
DROP: Final = identifiers.SQL("DROP DATABASE {} WITH (FORCE)")


@contextmanager
def copy_of(postgres: PostgresServer, url: str) -> Iterator[str]:
    """The URL of a copy of a database that nobody uses just now."""
    source, name = url.rpartition("/")[2], f"copy_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres.url(), autocommit=True) as admin:
        admin.execute(COPY.format(identifiers.Identifier(name), identifiers.Identifier(source)))
        yield postgres.url(name)
        admin.execute(DROP.format(identifiers.Identifier(name)))


def state(url: str) -> dict[str, object]:
    """What is left: a digest of each table, and the sums of the tally."""
    with connections.connect(url, application="tests") as link:
        found: dict[str, object] = {"tally": tally.list_tally(link)}
        for table in TABLES:
            schema = "outbox" if table == "command" else "school"
            order = identifiers.SQL(
                "SELECT count(*), md5(string_agg(each::text, ' ' ORDER BY each::text)) "
                "FROM {} AS each"
            ).format(identifiers.Identifier(schema, table))
            found[table] = link.execute(order).fetchone()
        return found


def left(link: Connection) -> int:
    return sum(sizes(link).values())


def is_at(process: subprocess.Popen[bytes], link: Connection, rows: int) -> bool:
    """Whether there are no more rows than these, or the process has ended."""
    return process.poll() is not None or left(link) < rows


def start(url: str, log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as sink:
        return subprocess.Popen(
            ORDER, env=environment({"database_url": url}), stdout=sink, stderr=sink
        )


def end(process: subprocess.Popen[bytes], log: Path) -> None:
    assert process.wait(patient(END_S)) == 0, log.read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.timeout(patient(400))
def test_killed_at_random_moments_and_run_again_it_comes_to_the_same_end(
    database: str, postgres: PostgresServer, tmp_path: Path
) -> None:
    rng = random.Random(20)
    log = tmp_path / "purge.log"
    with connections.connect(database, application="tests") as link:
        LOAD.write(link)
    with copy_of(postgres, database) as whole:
        end(start(whole, log), log)
        wanted = state(whole)
    with connections.connect(database, application="tests") as link:
        sums = {left(link)}
        for _ in range(KILLS):
            process, before = start(database, log), left(link)
            rows = int(before * rng.uniform(0.7, 1))
            wait_until(partial(is_at, process, link, rows), START_S, f"{rows} rows are left")
            process.kill()
            process.wait()
            sums.add(left(link))
        assert len(sums) > KILLS / 2, "it was killed after it had ended"
    end(start(database, log), log)
    assert state(database) == wanted


def test_an_interrupt_from_the_keyboard_leaves_what_is_done(
    database: str, connection: Connection, tmp_path: Path
) -> None:
    Load(batches=1_500, slots=20).write(connection)
    log, before = tmp_path / "purge.log", left(connection)
    process = start(database, log)
    wait_until(lambda: left(connection) < before, START_S, "it has begun")
    process.send_signal(signal.SIGINT)
    assert process.wait(patient(START_S)) == 1
    assert "Traceback" not in log.read_text(encoding="utf-8")
    assert "run it again" in log.read_text(encoding="utf-8")
    assert "purge, cut short" in log.read_text(encoding="utf-8")
    middle = left(connection)
    end(start(database, log), log)
    assert left(connection) < middle < before
