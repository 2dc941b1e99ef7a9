"""`migrate` beside a session that keeps a table locked, as a long pg_dump does."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psycopg
import pytest

from outbox_worker.cli import migrate as cli
from outbox_worker.errors import SchemaVersionError, WorkFailedError
from outbox_worker.postgres import database as connections
from outbox_worker.postgres import migrations
from outbox_worker.settings import PARTITIONS_AHEAD_DAYS
from outbox_worker.stores import partition
from tests.cli.altering import application
from tests.harness.databases import make_empty_database
from tests.harness.waiting import patient, wait_until
from tests.harness.workers import COMMAND, environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from outbox_worker.local.postgres import PostgresServer

TABLES: Final = application.tables
NAME: Final = "0001_constraint of altering"
SETTING: Final = {"application": "tests.cli.altering:application"}

OTHERS_S: Final = 45
"""How long others may have to wait. The dump does not end before they are done, so that it tells
one who continues from one who does not; a migration gives up after 60 s, and asks for 1.5 s."""

ENGINE: Final = (migrations.ENGINE,)
BRIEFLY: Final = replace(migrations.PATIENCE, first_s=0.05, longest_s=0.05, seconds=0.5)
LOCK_MS: Final = 200

WRITE: Final = "INSERT INTO outbox.event (topic, key, type) VALUES ('orders', 'k', 'order.placed')"
READ: Final = "SELECT FROM outbox.event WHERE id = 0"
READ_AS_A_DUMP: Final = "LOCK TABLE outbox.event IN ACCESS SHARE MODE"
WAITING: Final = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'outbox-worker migrate'
      AND wait_event_type = 'Lock' AND wait_event <> 'advisory'"""
CONSTRAINTS: Final = """
    SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE conrelid = 'outbox.event'::regclass ORDER BY conname"""
LAST_DAY: Final = """
    SELECT max(relname) FROM pg_class
    WHERE relnamespace = 'outbox'::regnamespace AND relname ~ '^event_[0-9]{8}$'"""
ROOT: Final = Path(__file__).parents[2]


@pytest.fixture
def old(postgres: PostgresServer) -> str:
    """The URL of a database that lacks the migration of the application."""
    url = postgres.url(make_empty_database(postgres))
    with connections.connect(url, application="tests") as link:
        migrations.apply(link)
    return url


def count(link: psycopg.Connection, statement: str) -> int:
    row = link.execute(statement.encode()).fetchone()
    assert row is not None
    return int(row[0])


@contextmanager
def dumping(url: str) -> Iterator[psycopg.Connection]:
    """A transaction that reads the table of events; the block may end it before."""
    with psycopg.connect(url) as dump:
        dump.execute(READ_AS_A_DUMP)
        yield dump


@contextmanager
def migrating(url: str) -> Iterator[subprocess.Popen[str]]:
    """The installed command, started; it has ended when the block has."""
    with subprocess.Popen(
        [COMMAND, "migrate"],
        env=environment({"database_url": url, **SETTING}) | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        yield process


def migrate_beside_a_dump(url: str, order_of_another: str) -> str:
    """What `migrate` says when it comes into a dump, beside which others continue."""
    with (
        psycopg.connect(url, autocommit=True) as other,
        dumping(url) as dump,
        migrating(url) as process,
        closing(dump),
    ):
        other.execute(f"SET lock_timeout = '{OTHERS_S} s'".encode())
        for _ in range(2):
            wait_until(lambda: count(other, WAITING), 20, "it waits for the dump")
            other.execute(order_of_another.encode())
        assert process.poll() is None
        dump.rollback()
        said, _ = process.communicate(timeout=patient(20))
    assert process.returncode == 0, said
    return said


def test_writers_go_on_while_a_migration_waits_for_a_dump(old: str) -> None:
    said = migrate_beside_a_dump(old, WRITE)
    assert f"applied {NAME}\n" in said
    with connections.connect(old, application="tests") as link:
        migrations.check(link, TABLES)


def test_readers_go_on_while_a_partition_waits_for_a_dump(database: str) -> None:
    with connections.connect(database, application="tests") as link:
        name = link.execute(LAST_DAY).fetchone()
        assert name is not None
        link.execute(f"DROP TABLE outbox.{name[0]}".encode())
        there = set(partition.list_partitions(link))
    missing = {days_without(there)}
    said = migrate_beside_a_dump(database, READ)
    # At midnight a day more.
    missing.add(days_without(there))
    assert min(missing) > 0
    assert said.endswith(tuple(f"; {days} partitions made\n" for days in missing))


def days_without(there: set[date]) -> int:
    """How many of the days that need a partition now are not among these."""
    today = datetime.now(UTC).date()
    days = {today + timedelta(days=ahead) for ahead in range(PARTITIONS_AHEAD_DAYS + 1)}
    return len(days - there)


def test_a_table_that_stays_locked_is_given_up_in_one_message(old: str) -> None:
    with (
        connections.connect(old, application="tests") as link,
        connections.connect(old, application="tests") as other,
    ):
        before = link.execute(CONSTRAINTS).fetchall()
        with dumping(old), pytest.raises(WorkFailedError, match=f"migration {NAME}") as caught:
            migrations.apply(link, TABLES, BRIEFLY, LOCK_MS)
        assert caught.value.exit_code == 1
        assert "pg_dump" in caught.value.hint
        assert "run migrate again" in caught.value.hint
        assert link.execute(CONSTRAINTS).fetchall() == before
        with pytest.raises(SchemaVersionError, match=r"tables of altering .* are at 0"):
            migrations.check(link, TABLES)
        assert migrations.apply(other, TABLES, BRIEFLY, LOCK_MS) == [NAME]


def test_twenty_at_once_wait_for_a_dump_and_apply_each_migration_once(old: str) -> None:
    patience = replace(BRIEFLY, seconds=60.0)
    said: list[str] = []

    def migrate(_: int) -> list[str]:
        with connections.connect(old, application="outbox-worker migrate") as link:
            return migrations.apply(link, TABLES, patience, LOCK_MS, said.append)

    with (
        ThreadPoolExecutor(20) as threads,
        psycopg.connect(old, autocommit=True) as link,
        dumping(old) as dump,
    ):
        all_of_them = threads.map(migrate, range(20))
        wait_until(lambda: len(said) == 19, 20, "one migrates, the others wait for it")
        wait_until(lambda: count(link, WAITING), 20, "it waits for the dump")
        dump.rollback()
        done = [name for names in all_of_them for name in names]
    assert done == [NAME]
    assert len(said) == 19, "each names once whom it waits for"


LOCK_AS_ANOTHER: Final = "SELECT pg_advisory_lock(hashtextextended('outbox-worker migrate', 0))"


def test_another_one_that_migrates_for_long_is_named_and_given_up(database: str) -> None:
    said: list[str] = []
    with (
        psycopg.connect(database, application_name="a job of Ann's", autocommit=True) as other,
        connections.connect(database, application="tests") as link,
    ):
        other.execute(LOCK_AS_ANOTHER)
        pid = other.info.backend_pid
        with pytest.raises(WorkFailedError, match="migrates this database") as caught:
            migrations.apply(link, ENGINE, BRIEFLY, LOCK_MS, said.append)
        assert caught.value.exit_code == 1
        assert f"a job of Ann's (pid {pid}, connected at 20" in caught.value.message
        assert "run migrate again" in caught.value.hint
        (line,) = said
        assert line.startswith(f"waiting for a job of Ann's (pid {pid}, ")
        other.close()
        assert migrations.apply(link, ENGINE, BRIEFLY, LOCK_MS, said.append) == []


def test_the_command_says_whom_it_waits_for(database: str) -> None:
    with psycopg.connect(database, application_name="another", autocommit=True) as other:
        other.execute(LOCK_AS_ANOTHER)
        with migrating(database) as process:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("waiting for another (pid ")
            other.close()
            said, _ = process.communicate(timeout=30)
    assert process.returncode == 0, said


def test_the_server_lets_go_of_a_session_that_is_gone_or_stands_still(
    postgres: PostgresServer,
) -> None:
    url = postgres.url(make_empty_database(postgres))
    for options in (cli.OPTIONS, cli.LOCK_OPTIONS):
        with connections.connect(url, application="tests", options=options) as link:
            for name, value in {
                "tcp_keepalives_idle": "3",
                "tcp_keepalives_interval": "2",
                "tcp_keepalives_count": "3",
                "idle_in_transaction_session_timeout": "1min",
            }.items():
                assert link.execute(f"SHOW {name}".encode()).fetchone() == (value,)
