"""One command in one transaction; faults around it cost it nothing, a bug is set aside."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from structlog.testing import capture_logs

from outbox_worker.application import Application
from outbox_worker.commands import executor as product
from outbox_worker.commands.outcome import (
    Failed,
    Idle,
    Postponed,
    Rejected,
    SetAside,
    Succeeded,
    Unreached,
)
from outbox_worker.postgres import database as connections
from tests.commands.holdup import hold_up
from tests.commands.inbox import (
    CLASS,
    committed,
    events,
    look,
    make_due,
    new_executor,
    run_all,
    submit,
)
from tests.harness.waiting import patient, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import CollectorRegistry
    from pydantic import BaseModel

    from outbox_worker.stores import Connection

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND pid = %s"
CLASSES = "SELECT count(*) FROM school.class"
LOCK_CLASS = "SELECT FROM school.class WHERE class_id = %s FOR UPDATE"
RENAME = "UPDATE school.student SET last_name = 'Other' WHERE student_id = %s"
STUDENT = {"first_name": "Ada", "last_name": "Lovelace"}
SECRET = "the bug's own words"
LONG_S = 3_600.0


def counted(registry: CollectorRegistry, kind: str, outcome: str) -> float:
    labels = {"type": kind, "outcome": outcome}
    return registry.get_sample_value("outbox_commands_total", labels) or 0.0


def await_lock(connection: Connection, waiter: Connection) -> None:
    pid = waiter.info.backend_pid
    wait_until(lambda: connection.execute(WAITING, (pid,)).fetchone() == (1,), 10, "it waits")


def test_a_command_its_result_and_its_event_are_committed_together(
    connection: Connection, database: str
) -> None:
    correlation = uuid.uuid4()
    command_id = submit(connection, key="k", correlation_id=correlation)
    executor, registry = new_executor()
    with connections.connect(database, application="tests") as link:
        outcome = executor.run_once(link)
        assert link.info.transaction_status is psycopg.pq.TransactionStatus.IDLE
    assert isinstance(outcome, Succeeded)
    row = look(connection, command_id)
    assert (row.status, row.result) == ("succeeded", {"class_id": str(command_id)})
    assert row.finished_at is not None
    ((kind, payload),) = events(connection)
    assert kind == "class.created.v1"
    assert payload["correlation_id"] == str(correlation)
    assert counted(registry, "CreateClass", "succeeded") == 1
    assert (
        registry.get_sample_value("outbox_command_duration_seconds_count", {"type": "CreateClass"})
        == 1
    )
    assert (
        registry.get_sample_value("outbox_command_wait_seconds_count", {"type": "CreateClass"}) == 1
    )
    assert isinstance(executor.run_once(connection), Idle)


@pytest.mark.parametrize(
    ("kind", "payload", "code"),
    [
        ("CreateClass", {"name": "", "course_codes": ["ENG5"]}, "VALIDATION_ERROR"),
        ("CreateClass", {"name": "7b", "course_codes": ["KLINGON"]}, "COURSE_NOT_FOUND"),
        ("DeleteClass", {"class_id": str(uuid.uuid4())}, "NOT_FOUND"),
        ("MakeCoffee", {}, "UNKNOWN_COMMAND_TYPE"),
    ],
)
def test_a_rejected_command_has_an_error_and_an_event_and_nothing_else(
    connection: Connection, kind: str, payload: object, code: str
) -> None:
    command_id = submit(connection, kind, payload, key="some key")
    executor, registry = new_executor()
    (outcome,) = run_all(executor, connection)
    assert isinstance(outcome, Rejected)
    row = look(connection, command_id)
    assert (row.status, row.result, row.failures) == ("rejected", None, 0)
    assert row.error is not None
    assert set(row.error) == {"code", "message", "details"}
    assert row.error["code"] == code
    ((event, told),) = events(connection)
    assert event == "command.rejected.v1"
    occurred_at = told.pop("occurred_at")
    assert occurred_at.endswith("Z")
    assert told == {
        "command_id": str(command_id),
        "command_key": "some key",
        "command_type": kind,
        "correlation_id": str(command_id),
        "error": row.error,
    }
    assert connection.execute("SELECT key, topic FROM outbox.event").fetchone() == (
        "some key",
        "huleedu.command.rejected.v1",
    )
    assert connection.execute(CLASSES).fetchone() == (0,)
    label = kind if kind != "MakeCoffee" else "unknown"
    assert counted(registry, label, "rejected") == 1


def test_what_a_refused_command_had_written_is_gone(connection: Connection) -> None:
    missing = str(uuid.uuid4())
    command_id = submit(connection, "CreateStudent", {**STUDENT, "class_ids": [missing]})
    executor, _ = new_executor()
    run_all(executor, connection)
    assert (look(connection, command_id).error or {})["code"] == "CLASS_NOT_FOUND"
    assert connection.execute("SELECT count(*) FROM school.student").fetchone() == (0,)
    assert [kind for kind, _ in events(connection)] == ["command.rejected.v1"]


def test_types_that_there_are_not_share_one_label(connection: Connection) -> None:
    for number in range(20):
        submit(connection, f"Type{number}", {})
    executor, registry = new_executor()
    run_all(executor, connection)
    assert counted(registry, "unknown", "rejected") == 20
    kinds = {
        sample.labels["type"]
        for metric in registry.collect()
        for sample in metric.samples
        if "type" in sample.labels
    }
    assert kinds == {"unknown"}


def test_eight_threads_execute_each_command_once_and_each_key_in_order(
    connection: Connection, database: str
) -> None:
    submitted = [submit(connection, key=f"key {n % 40}") for n in range(400)]

    def work(_: int) -> list[uuid.UUID]:
        executor = new_executor()[0]
        done: list[uuid.UUID] = []
        with connections.connect(database, application="tests") as link:
            while left():
                done += committed(executor.run_once(link))
        return done

    def left() -> bool:
        with connections.connect(database, application="tests") as link:
            row = link.execute("SELECT FROM outbox.command WHERE status = 'queued' LIMIT 1")
            return row.fetchone() is not None

    with ThreadPoolExecutor(8) as threads:
        done = [each for found in threads.map(work, range(8)) for each in found]
    assert sorted(done) == sorted(submitted)
    created = [uuid.UUID(payload["class_id"]) for _, payload in events(connection)]
    assert sorted(created) == sorted(submitted)
    place = {command_id: number for number, command_id in enumerate(created)}
    for key in range(40):
        places = [place[command_id] for command_id in submitted[key::40]]
        assert places == sorted(places)


def test_a_deadlock_costs_the_command_nothing(
    connection: Connection, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    school_class, student = submit(connection), submit(connection, "CreateStudent", STUDENT)
    executor, registry = new_executor()
    run_all(executor, connection)
    wanted = {"student_id": str(student), "add_class_ids": [str(school_class)]}
    command_id = submit(connection, "UpdateStudent", wanted)
    has_student, go_on = hold_up(monkeypatch, student)
    with (
        connections.connect(database, application="other") as other,
        connections.connect(database, application="worker") as worker,
        ThreadPoolExecutor(2) as threads,
    ):
        # The other one never looks for a deadlock, and waits already when the executor begins
        # to: who closes the circle looks once, after this time, and is the victim.
        other.execute("SET deadlock_timeout = '1h'")
        worker.execute("SET deadlock_timeout = '50ms'")
        with other.transaction():
            other.execute(LOCK_CLASS, (school_class,))
            running = threads.submit(executor.run_once, worker)
            assert has_student.wait(patient(60))
            renaming = threads.submit(other.execute, RENAME, (student,))
            await_lock(connection, other)
            go_on.set()
            renaming.result(patient(60))
        outcome = running.result(patient(60))
        assert isinstance(outcome, Postponed)
        assert isinstance(outcome.error, psycopg.errors.DeadlockDetected)
        row = look(connection, command_id)
        assert (row.status, row.failures, row.retry_at is None) == ("queued", 0, False)
        assert counted(registry, "UpdateStudent", "postponed") == 1
        wait_until(
            lambda: isinstance(executor.run_once(worker), Succeeded), 10, "its turn comes again"
        )
    assert look(connection, command_id).failures == 0


def test_a_lock_that_is_not_had_in_time_costs_the_command_nothing(
    connection: Connection, database: str
) -> None:
    school_class = submit(connection)
    executor, _ = new_executor()
    run_all(executor, connection)
    command_id = submit(connection, "DeleteClass", {"class_id": str(school_class)})
    options = {"lock_timeout": "100ms"}
    with (
        connections.connect(database, application="other") as other,
        connections.connect(database, application="worker", options=options) as worker,
    ):
        with other.transaction():
            other.execute(LOCK_CLASS, (school_class,))
            for _ in range(3):
                make_due(connection)
                outcome = executor.run_once(worker)
                assert isinstance(outcome, Postponed)
                assert isinstance(outcome.error, psycopg.errors.LockNotAvailable)
        make_due(connection)
        assert isinstance(executor.run_once(worker), Succeeded)
    assert look(connection, command_id).failures == 0


def test_a_session_that_is_killed_costs_the_command_nothing(
    connection: Connection, database: str
) -> None:
    school_class = submit(connection)
    executor, _ = new_executor()
    run_all(executor, connection)
    command_id = submit(connection, "DeleteClass", {"class_id": str(school_class)})
    with (
        connections.connect(database, application="other") as other,
        connections.connect(database, application="worker") as worker,
        ThreadPoolExecutor(1) as thread,
        other.transaction(),
    ):
        other.execute(LOCK_CLASS, (school_class,))
        running = thread.submit(executor.run_once, worker)
        await_lock(connection, worker)
        connection.execute("SELECT pg_terminate_backend(%s)", (worker.info.backend_pid,))
        assert isinstance(running.result(60), Postponed)
        assert worker.closed
        assert isinstance(executor.run_once(worker), Unreached)
        row = look(connection, command_id)
        assert (row.status, row.failures, row.retry_at) == ("queued", 0, None)
    (outcome,) = run_all(executor, connection)
    assert isinstance(outcome, Succeeded)


@pytest.fixture
def _retries_are_far_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the test takes, no command is due again by itself."""
    monkeypatch.setattr(product, "pause_after", lambda _: LONG_S)
    monkeypatch.setattr(product, "pause_after_failures", lambda _: LONG_S)


@pytest.fixture
def bug(monkeypatch: pytest.MonkeyPatch) -> None:
    """The domain does its work and then fails, for classes of this name."""
    handle: Callable[..., BaseModel] = Application.handle

    def broken(*given: Any, **more: Any) -> BaseModel:  # noqa: ANN401
        result = handle(*given, **more)
        if getattr(given[-1], "name", "") == "broken":
            raise ZeroDivisionError(SECRET)
        return result

    monkeypatch.setattr(Application, "handle", broken)


@pytest.mark.usefixtures("_retries_are_far_off")
def test_a_bug_is_tried_again_and_then_set_aside_and_its_key_goes_on(
    connection: Connection, bug: None
) -> None:
    command_id = submit(connection, payload={**CLASS, "name": "broken"})
    behind = submit(connection)
    executor, registry = new_executor(attempts=3)
    for failures in (1, 2):
        with capture_logs() as logs:
            outcome = executor.run_once(connection)
        assert isinstance(outcome, Failed)
        (line,) = logs
        assert (line["event"], line["failures"]) == ("command_failed", failures)
        assert isinstance(line["exc_info"], ZeroDivisionError)
        row = look(connection, command_id)
        assert (row.status, row.failures, row.retry_at is None) == ("queued", failures, False)
        # Nothing of the domain is kept, and the key waits.
        assert connection.execute(CLASSES).fetchone() == (0,)
        assert isinstance(executor.run_once(connection), Idle)
        make_due(connection)
    outcome = executor.run_once(connection)
    assert isinstance(outcome, SetAside)
    row = look(connection, command_id)
    assert row.status == "rejected"
    assert row.error == {
        "code": "INTERNAL_ERROR",
        "message": "The command failed unexpectedly, again and again; it was not carried out",
        "details": {},
    }
    assert [kind for kind, _ in events(connection)] == ["command.rejected.v1"]
    assert counted(registry, "CreateClass", "failed") == 2
    assert counted(registry, "CreateClass", "set_aside") == 1
    assert counted(registry, "CreateClass", "rejected") == 0
    run_all(executor, connection)
    assert look(connection, behind).status == "succeeded"


@pytest.mark.usefixtures("_retries_are_far_off")
def test_a_bug_holds_up_its_own_key_only(connection: Connection, bug: None) -> None:
    submit(connection, payload={**CLASS, "name": "broken"})
    others = [submit(connection, key=f"other {n}") for n in range(5)]
    executor, _ = new_executor()
    run_all(executor, connection)
    assert [look(connection, each).status for each in others] == ["succeeded"] * 5
