"""Behind PgBouncer: right in session mode, and refused before anything happens in the others."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import psycopg
import pytest
from psycopg import conninfo

from outbox_worker.errors import ServerError, SettingsError
from outbox_worker.postgres import database as connections
from outbox_worker.postgres import session
from tests.harness.pooler import Pooler
from tests.harness.waiting import patient, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from outbox_worker.stores import Connection
    from tests.cli.conftest import CliCluster
    from tests.harness.pooler import Mode

FLOWS_S: Final = 40.0
START_S: Final = 20.0
SUBMIT: Final = """
    SELECT outbox.submit(type => 'CreateClass', key => 'teacher', actor => 'teacher',
                         payload => '{"name": "9A", "course_codes": ["ENG5"]}')::text
"""
SUCCEEDED: Final = "SELECT count(*) FROM outbox.command WHERE status = 'succeeded'"

SHARING: Final[tuple[Mode, ...]] = ("transaction", "statement")


@contextmanager
def other_clients(url: str, count: int) -> Iterator[None]:
    """So many others who ask the pooler something all the time."""
    over = threading.Event()
    begun = threading.Barrier(count + 1)

    def ask() -> None:
        with psycopg.connect(url, autocommit=True, prepare_threshold=None) as link:
            link.execute("SELECT 1")
            begun.wait(patient(START_S))
            while not over.wait(0.001):
                link.execute("SELECT pg_sleep(0.001)")

    threads = [threading.Thread(target=ask) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        begun.wait(patient(START_S))
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("mode", SHARING)
@pytest.mark.parametrize("round_robin", [False, True], ids=["last free", "round robin"])
@pytest.mark.parametrize("size", [1, 20])
@pytest.mark.parametrize("others", [0, 5])
def test_a_pooler_that_shares_sessions_is_noticed(
    migrated_database_url: str,
    tmp_path: Path,
    mode: Mode,
    size: int,
    others: int,
    *,
    round_robin: bool,
) -> None:
    with (
        Pooler(migrated_database_url, tmp_path, mode, size=size, round_robin=round_robin) as pooler,
        other_clients(pooler.url, others),
    ):
        for _ in range(5):
            with pytest.raises(SettingsError, match="session mode"):
                connections.connect(pooler.url, application="tests")


@pytest.mark.parametrize("round_robin", [False, True], ids=["last free", "round robin"])
@pytest.mark.parametrize("others", [0, 5])
def test_one_that_gives_each_its_own_is_not_taken_for_such(
    database: str, tmp_path: Path, others: int, *, round_robin: bool
) -> None:
    with (
        Pooler(database, tmp_path, "session", round_robin=round_robin) as pooler,
        other_clients(pooler.url, others),
    ):
        for _ in range(5):
            options = connections.READER_OPTIONS
            with connections.connect(pooler.url, application="tests", options=options) as link:
                assert link.execute("SHOW statement_timeout").fetchone() == ("1min",)


def test_the_sessions_of_others_are_left_as_they_are(database: str, tmp_path: Path) -> None:
    with Pooler(database, tmp_path, "transaction", size=1) as pooler:
        options = connections.READER_OPTIONS
        with pytest.raises(SettingsError):
            connections.connect(pooler.url, application="tests", options=options)
        with psycopg.connect(pooler.url, autocommit=True) as link:
            assert link.execute("SHOW enable_seqscan").fetchone() == ("on",)
            assert link.execute("SHOW statement_timeout").fetchone() == ("0",)


def test_a_pooler_that_has_no_second_session_is_said_to_be_too_small(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "SECOND_S", 1.0)
    with (
        Pooler(database, tmp_path, "session", size=1) as pooler,
        pytest.raises(ServerError, match="pool_size"),
    ):
        connections.connect(pooler.url, application="tests")


def test_a_parameter_that_a_pooler_does_not_take_is_named(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Pooler(database, tmp_path, "session") as pooler:
        url = conninfo.make_conninfo(pooler.url, options="-c work_mem=7MB")
        with pytest.raises(SettingsError, match="pooler before"):
            connections.connect(url, application="tests")
        monkeypatch.setenv("PGGEQO", "off")
        with pytest.raises(SettingsError, match="geqo"):
            connections.connect(pooler.url, application="tests")


@pytest.mark.parametrize("mode", SHARING)
def test_a_worker_ends_before_it_joins_the_group(
    cluster: CliCluster, tmp_path: Path, mode: Mode
) -> None:
    with Pooler(cluster.url, tmp_path, mode) as pooler:
        ended = cluster.command("run", database_url=pooler.url)
    assert ended.returncode == 2, ended.stderr
    assert "session mode" in ended.stderr
    groups = cluster.admin.list_consumer_groups().result(FLOWS_S).valid or []
    assert cluster.name not in {group.group_id for group in groups}


@pytest.mark.parametrize(
    "arguments",
    [["migrate"], ["status"], ["verify"], ["rebase"], ["purge", "--older-than-days", "9"]],
    ids=lambda arguments: str(arguments[0]),
)
def test_every_command_says_why_it_does_nothing(
    cluster: CliCluster, tmp_path: Path, arguments: list[str]
) -> None:
    with Pooler(cluster.url, tmp_path, "transaction") as pooler:
        ended = cluster.command(*arguments, database_url=pooler.url)
    assert ended.returncode == 2, ended.stderr
    assert "session mode" in ended.stderr


def test_in_session_mode_all_works(
    cluster: CliCluster, connection: Connection, tmp_path: Path
) -> None:
    with Pooler(cluster.url, tmp_path, "session") as pooler:
        cluster.settings["database_url"] = pooler.url
        cluster.write(*"abcabc")
        connection.execute(SUBMIT)
        worker = cluster.worker(topic_prefix=f"{cluster.name}.", create_topics="1:1")
        wait_until(lambda: connection.execute(SUCCEEDED).fetchone() == (1,), FLOWS_S, "a command")
        wait_until(lambda: cluster.waiting() == 0, FLOWS_S, "all is published")
        wait_until(
            lambda: cluster.command("status").returncode == 0, FLOWS_S, "status finds all well"
        )
        assert worker.stop() == 0
        ended = cluster.command("verify", "--json")
        assert ended.returncode == 0, ended.stderr
        found = json.loads(ended.stdout)
        assert (found["lost"], found["duplicated"], found["out_of_order"]) == (0, 0, 0)
        ended = cluster.command("migrate")
        assert ended.returncode == 0, ended.stderr
