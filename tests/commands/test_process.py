"""The installed command with `--role commands`: threads, signals, a server that goes away."""

from __future__ import annotations

import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families
from psycopg import sql as identifiers

from outbox_worker.commands.sessions import APPLICATION, OPTIONS
from outbox_worker.local.postgres import PostgresServer
from outbox_worker.postgres import database as connections
from tests.commands.inbox import CLASS, events, look, submit
from tests.harness.cluster import free_address
from tests.harness.control import Control
from tests.harness.databases import make_database
from tests.harness.machine_pauses import watched
from tests.harness.waiting import wait_until
from tests.harness.workers import COMMAND, HTTP_S, STOP_S, Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from uuid import UUID

    from outbox_worker.stores import Connection

START_S: Final = 60.0
LEFT = "SELECT count(*) FROM outbox.command WHERE status = 'queued' AND key <> 'hot'"
MANY_LEFT = "SELECT count(*) FROM outbox.command WHERE status = 'queued' AND key LIKE 'key %'"
FINISHED = "SELECT count(*) FROM outbox.command WHERE status = 'succeeded' AND key = 'hot'"
IN_ORDER = """
    SELECT count(*) FROM (
        SELECT seq, lag(seq) OVER (PARTITION BY key ORDER BY finished_at, seq) AS before
        FROM outbox.command) AS finished
    WHERE seq < before"""
LOCK_CLASS = "SELECT FROM school.class WHERE class_id = %s FOR UPDATE"
HELD_UP = """
    SELECT count(*) FROM pg_stat_activity
    WHERE application_name = 'outbox-worker commands' AND wait_event_type = 'Lock'"""
IN_HAND = """
    SELECT count(*) FROM pg_stat_activity
    WHERE application_name = 'outbox-worker commands' AND wait_event = 'PgSleep'"""
HOLD_UP = """
    CREATE FUNCTION public.hold_up() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        WHILE NOT pg_try_advisory_xact_lock_shared(1) LOOP PERFORM pg_sleep(0.01); END LOOP;
        RETURN NEW;
    END $$;
    CREATE TRIGGER hold_up BEFORE UPDATE ON school.class
        FOR EACH ROW EXECUTE FUNCTION public.hold_up()"""
OTHER_WAITS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE application_name = 'other' AND wait_event_type = 'Lock'"""
LOCK = "SELECT pg_advisory_xact_lock(%s)"
SESSIONS = """
    SELECT count(*) FROM pg_stat_activity WHERE application_name = 'outbox-worker commands'"""
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
MANY = """
    INSERT INTO outbox.command (type, key, actor, payload)
    SELECT 'CreateStudent', 'key ' || n, 'teacher ' || n,
           '{"first_name": "Ada", "last_name": "Lovelace"}' FROM generate_series(1, %s) AS n"""


@pytest.fixture
def start(database: str, tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    """Starts workers that execute commands; what still runs at the end is shown and ended."""
    crew: list[Worker] = []

    def new(**settings: str) -> Worker:
        name = f"worker-{len(crew) + 1}"
        order = [COMMAND, "run", "--role", "commands"]
        given = {"database_url": database, "http_address": "", **settings}
        worker = Worker(name, tmp_path / f"{name}.log", order, **given)
        crew.append(worker)
        wait_until(lambda: has_started(worker), START_S, "it has started")
        return worker

    yield new
    for worker in crew:
        worker.end()
        print(worker.log.read_text())  # noqa: T201  pytest shows it with a failure


def has_started(worker: Worker) -> bool:
    worker.supervise()
    return worker.said("started", role="commands")


@pytest.fixture
def _deadlocks_are_seen(connection: Connection) -> None:
    """Sessions look for one before they give up waiting; otherwise it is a lock not had in time."""
    order = identifiers.SQL("ALTER DATABASE {} SET deadlock_timeout = '20ms'")
    connection.execute(order.format(identifiers.Identifier(connection.info.dbname)))


@contextmanager
def held_up(connection: Connection, database: str) -> Iterator[None]:
    """While it lasts changes of classes take their time, and wait for no lock."""
    connection.execute(HOLD_UP, prepare=False)
    with psycopg.connect(database) as holder:
        holder.execute(LOCK, (1,))
        yield


def value(link: psycopg.Connection[Any], statement: str) -> int:
    row = link.execute(statement.encode()).fetchone()
    assert row is not None
    return int(row[0])


def executed(link: psycopg.Connection[Any], command_id: UUID) -> bool:
    return look(link, command_id).result is not None


def scrape(worker: Worker) -> dict[tuple[str, str], float]:
    """By metric and its labels as text."""
    with urllib.request.urlopen(f"http://{worker.http_address}/metrics", timeout=HTTP_S) as answer:
        text = answer.read().decode()
    return {
        (sample.name, ",".join(sorted(sample.labels.values()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def make_class(connection: Connection, worker: Worker) -> str:
    command_id = submit(connection, key="class")
    wait_until(lambda: look(connection, command_id).result, 20, "there is a class")
    assert worker.alive
    return str(command_id)


def rename(connection: Connection, class_id: str, name: str = "8b") -> UUID:
    return submit(connection, "UpdateClass", {"class_id": class_id, "name": name}, key="hot")


def test_a_worker_that_executes_commands_needs_a_database_and_no_kafka(
    connection: Connection, start: Callable[..., Worker]
) -> None:
    worker = start(http_address=free_address(), command_threads="3")
    wait_until(lambda: worker.ready()[0] == 200, START_S, "it is ready")
    good, bad, unknown = (
        submit(connection),
        submit(connection, payload={}),
        submit(connection, "T", {}),
    )
    wait_until(lambda: look(connection, unknown).error, 20, "all are executed")
    assert look(connection, good).status == "succeeded"
    assert look(connection, bad).status == "rejected"
    assert value(connection, SESSIONS) == 3
    counted = {
        ("outbox_commands_total", "CreateClass,succeeded"): 1,
        ("outbox_commands_total", "CreateClass,rejected"): 1,
        ("outbox_commands_total", "rejected,unknown"): 1,
        ("outbox_command_duration_seconds_count", "CreateClass"): 2,
        ("outbox_db_statement_seconds_count", "command/finish_command"): 3,
        ("outbox_db_statement_seconds_count", "school_class/insert_class"): 1,
    }
    # What is committed is counted a moment later.
    wait_until(lambda: counted.items() <= scrape(worker).items(), 20, "all is counted")
    found = scrape(worker)
    for wanted in (good, bad, unknown):
        assert not any(str(wanted) in labels for _, labels in found)
    assert worker.stop() == 0
    assert worker.said("stopped")


@pytest.mark.usefixtures("_deadlocks_are_seen")
def test_no_key_waits_for_a_hot_one_and_nothing_deadlocks(
    connection: Connection, database: str, start: Callable[..., Worker]
) -> None:
    workers = [start(log_level="debug") for _ in range(2)]
    class_id = make_class(connection, workers[0])
    with psycopg.connect(database) as holder:
        holder.execute(LOCK_CLASS, (class_id,))
        hot = [rename(connection, class_id, f"class {n}") for n in range(50)]
        wait_until(lambda: value(connection, HELD_UP), 10, "the hot key is held up")
        connection.execute(MANY, (1_000,))
        wait_until(lambda: value(connection, LEFT) == 0, 40, "all others are executed")
        assert value(connection, FINISHED) == 0
    wait_until(lambda: value(connection, FINISHED) == len(hot), 40, "the hot key is executed")
    assert value(connection, IN_ORDER) == 0
    names = [
        payload["class_designation"]
        for kind, payload in events(connection)
        if kind == "class.updated.v1"
    ]
    assert names == [f"class {n}" for n in range(50)]
    assert not any(worker.said("command_failed") for worker in workers)
    assert {worker.stop() for worker in workers} == {0}
    # A session tells what it counted at its end at the latest.
    wait_until(lambda: value(connection, SESSIONS) == 0, 10, "their sessions have ended")
    assert value(connection, DEADLOCKS) == 0
    assert not any("deadlock" in worker.log.read_text().lower() for worker in workers)


@pytest.mark.usefixtures("_deadlocks_are_seen")
def test_a_deadlock_of_a_session_of_commands_is_counted(
    connection: Connection, database: str
) -> None:
    with (
        connections.connect(database, application="other") as other,
        connections.connect(database, application=APPLICATION, options=OPTIONS) as session,
        ThreadPoolExecutor(1) as thread,
    ):
        # The other one does not look for it, so that the session of the worker has to.
        other.execute("SET deadlock_timeout = '1h'")
        with other.transaction():
            other.execute(LOCK, (1,))
            with session.transaction(force_rollback=True):
                session.execute(LOCK, (2,))
                waiting = thread.submit(other.execute, LOCK, (2,))
                wait_until(lambda: value(connection, OTHER_WAITS), 10, "the other one waits")
                with pytest.raises(psycopg.errors.DeadlockDetected):
                    session.execute(LOCK, (1,))
            waiting.result(60)
    wait_until(lambda: value(connection, SESSIONS) == 0, 10, "the session has ended")
    assert value(connection, DEADLOCKS) == 1


def test_more_blocked_keys_than_threads_leave_room_for_the_others(
    connection: Connection, database: str, start: Callable[..., Worker]
) -> None:
    worker = start(command_threads="2")
    class_id = make_class(connection, worker)
    payload = {"class_id": class_id, "name": "8b"}
    with psycopg.connect(database) as holder:
        holder.execute(LOCK_CLASS, (class_id,))
        blocked = [
            submit(connection, "UpdateClass", payload, key=f"blocked {n}") for n in range(20)
        ]
        wait_until(lambda: value(connection, HELD_UP) == 2, 10, "both threads are held up")
        connection.execute(MANY, (200,))
        wait_until(lambda: value(connection, MANY_LEFT) == 0, 20, "all others are executed")
        assert {look(connection, each).status for each in blocked} == {"queued"}
    wait_until(lambda: all(executed(connection, each) for each in blocked), 30, "they continue")
    assert not worker.said("database_away")
    assert worker.stop() == 0


def test_a_worker_that_is_told_to_stop_finishes_the_command_in_hand_and_no_other(
    connection: Connection, database: str, start: Callable[..., Worker]
) -> None:
    worker = start(command_threads="1")
    class_id = make_class(connection, worker)
    with held_up(connection, database):
        in_hand = rename(connection, class_id)
        wait_until(lambda: value(connection, IN_HAND), 10, "it is in hand")
        others = [submit(connection, key=f"other {n}") for n in range(20)]
        worker.terminate()
        wait_until(lambda: worker.said("stopping"), 5, "it heard the signal")
    assert worker.await_end() == 0
    assert worker.said("stopped")
    assert look(connection, in_hand).status == "succeeded"
    assert {look(connection, each).status for each in others} == {"queued"}


@pytest.mark.alone
def test_a_command_that_does_not_end_in_time_is_left_as_it_was(
    connection: Connection, database: str, start: Callable[..., Worker]
) -> None:
    worker = start(command_threads="2")
    class_id = make_class(connection, worker)
    with Control(database) as control, held_up(connection, database):
        in_hand = rename(connection, class_id)
        wait_until(lambda: value(connection, IN_HAND), 10, "it is in hand")
        began = time.monotonic()
        worker.terminate()
        assert worker.await_end() == 0
        ended = time.monotonic()
        assert ended - began - control.lost(began, ended) < STOP_S + 0.5
        assert worker.said("stop_timed_out", loops=["commands-1"]) or worker.said(
            "stop_timed_out", loops=["commands-2"]
        )
        assert look(connection, in_hand).status == "queued"
    second = start()
    wait_until(lambda: look(connection, in_hand).result, 20, "another one does it")
    assert second.stop() == 0


def test_sessions_that_are_killed_are_replaced(
    connection: Connection, start: Callable[..., Worker]
) -> None:
    worker = start(command_threads="2")
    for _ in range(3):
        wait_until(lambda: value(connection, SESSIONS) == 2, 20, "both threads have a session")
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'outbox-worker commands'"
        )
        command_id = submit(connection, payload=CLASS)
        wait_until(partial(executed, connection, command_id), 20, "it is executed")
    wait_until(lambda: worker.said("database_back"), 5, "it says so")
    assert worker.stop() == 0


@pytest.mark.slow
def test_a_database_that_is_away_is_waited_for(database: str, tmp_path: Path) -> None:
    with watched(database) as calm, PostgresServer() as server:
        url = server.url(make_database(server))
        address = free_address()
        log = tmp_path / "worker.log"
        order = [COMMAND, "run", "--role", "commands"]
        worker = Worker("worker", log, order, database_url=url, http_address=address)
        try:
            wait_until(lambda: has_started(worker), START_S, "it has started")
            wait_until(lambda: worker.ready()[0] == 200, START_S, "it is ready")
            server.stop("immediate")
            wait_until(lambda: worker.ready()[0] == 503, 20, "it is not ready")
            assert '"database"' in worker.ready()[1]
            assert worker.alive
            server.start()
            with psycopg.connect(url, autocommit=True) as link:
                command_id = submit(link)
                wait_until(lambda: look(link, command_id).result, 30, "it is executed")
            wait_until(lambda: worker.ready()[0] == 200, 20, "it is ready again")
            lines = [line["event"] for line in worker.lines()]
            assert lines.count("database_away") >= lines.count("database_back") >= 1
            assert lines.count("database_away") == 1 or not calm
            assert worker.stop() == 0
        finally:
            worker.end()
            print(log.read_text())  # noqa: T201  pytest shows it with a failure
