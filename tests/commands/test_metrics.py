"""Numbers of the executor: statements by name, failures by SQLSTATE, what became of texts."""

from __future__ import annotations

import random
import uuid
from typing import TYPE_CHECKING

import psycopg
import pytest
from prometheus_client import CollectorRegistry

from outbox_school.school import school
from outbox_worker.commands.faults import is_infrastructure, pause_after_failures
from outbox_worker.maintenance.gauges import command_gauges
from outbox_worker.observe.commands import CommandMetrics
from outbox_worker.observe.health import Health
from outbox_worker.observe.statements import StatementMetrics
from outbox_worker.postgres import database as connections
from outbox_worker.settings import Settings
from outbox_worker.stores import command as inbox
from outbox_worker.timing.backoff import pause_after
from tests.commands.inbox import new_executor, run_all, submit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from outbox_worker.stores import Connection

SECONDS = "outbox_db_statement_seconds_count"
ERRORS = "outbox_db_errors_total"


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def measured(database: str, registry: CollectorRegistry) -> Iterator[Connection]:
    """A session whose statements are measured in `registry`."""
    with connections.connect(database, application="tests") as link:
        link.cursor_factory = StatementMetrics(registry).cursor_factory()
        yield link


def test_a_statement_is_counted_by_the_name_in_its_first_line(
    measured: Connection, registry: CollectorRegistry
) -> None:
    for _ in range(3):
        inbox.list_queued(measured)
    assert registry.get_sample_value(SECONDS, {"statement": "command/list_queued"}) == 3


def test_statements_without_a_name_are_not_counted(
    measured: Connection, registry: CollectorRegistry
) -> None:
    measured.execute("SELECT 1")
    measured.execute(b"-- about id 17\nSELECT 1")
    with pytest.raises(psycopg.errors.DivisionByZero):
        measured.execute(b"SELECT 1 / 0")
    assert [sample for metric in registry.collect() for sample in metric.samples] == []


def test_a_failure_is_counted_by_its_sqlstate(
    measured: Connection, registry: CollectorRegistry
) -> None:
    with pytest.raises(psycopg.errors.InvalidTextRepresentation):
        measured.execute(b"-- folder/stem\nSELECT 'x'::integer")
    labels = {"statement": "folder/stem", "sqlstate": "22P02"}
    assert registry.get_sample_value(ERRORS, labels) == 1
    assert registry.get_sample_value(SECONDS, {"statement": "folder/stem"}) == 1
    cursor = measured.cursor()
    measured.close()
    with pytest.raises(psycopg.OperationalError):
        cursor.execute(b"-- folder/stem\nSELECT 1")
    labels["sqlstate"] = "none"
    assert registry.get_sample_value(ERRORS, labels) == 1


def test_texts_are_counted_by_what_became_of_them(connection: Connection) -> None:
    batch = str(uuid.uuid4())

    def provision(text: str) -> None:
        payload = {
            "batch_id": batch,
            "text_storage_id": text,
            "file_upload_id": f"upload {text}",
            "original_file_name": "essay.docx",
            "file_size_bytes": 1_000,
        }
        submit(connection, "ProvisionContent", payload, key=batch)

    for text in ("early", "early"):
        provision(text)
    register = {
        "batch_id": batch,
        "user_id": "teacher",
        "course_code": "ENG5",
        "expected_essay_count": 2,
    }
    submit(connection, "RegisterBatch", register, key=batch)
    for text in ("late", "late", "too late", "too late"):
        provision(text)
    executor, registry = new_executor()
    run_all(executor, connection)
    found = {
        sample.labels["outcome"]: sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name == "slot_assignments_total"
    }
    assert found == {"pending": 1, "assigned": 2, "excess": 1, "repeated": 3}


def test_the_queue_is_counted_for_the_gauges(
    connection: Connection, database: str, registry: CollectorRegistry
) -> None:
    for _ in range(3):
        submit(connection)
    connection.execute("UPDATE outbox.command SET submitted_at = now() - interval '1 min'")
    health = Health()
    gauges = command_gauges(database, CommandMetrics(registry), health, school.tables)
    assert gauges.run_once() >= 5
    assert registry.get_sample_value("outbox_commands_queued") == 3
    assert 60 <= (registry.get_sample_value("outbox_commands_oldest_queued_age_seconds") or 0) < 120
    connection.execute("UPDATE outbox.migration SET checksum = 'edited' WHERE number = 1")
    gauges.run_once()
    assert "schema" in health.unready()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (psycopg.errors.DeadlockDetected(), True),
        (psycopg.errors.SerializationFailure(), True),
        (psycopg.errors.LockNotAvailable(), True),
        (psycopg.errors.QueryCanceled(), True),
        (psycopg.errors.AdminShutdown(), True),
        (psycopg.errors.DiskFull(), True),
        (psycopg.errors.ReadOnlySqlTransaction(), True),
        (psycopg.errors.InsufficientPrivilege(), True),
        (psycopg.OperationalError("connection lost"), True),
        (psycopg.InterfaceError("the cursor is closed"), True),
        (psycopg.errors.UniqueViolation(), False),
        (psycopg.errors.UndefinedTable(), False),
        (psycopg.errors.ProgramLimitExceeded(), False),
        (psycopg.ProgrammingError("the query has 0 placeholders"), False),
        (ZeroDivisionError(), False),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, Exception) else None,
)
def test_which_errors_say_nothing_about_a_command(error: Exception, *, expected: bool) -> None:
    assert is_infrastructure(error) is expected


def test_pauses_are_doubled_up_to_a_bound_and_never_the_same() -> None:
    for times, longest in ((1, 0.1), (2, 0.2), (5, 1.6), (7, 5.0), (10_000, 5.0)):
        pauses = [pause_after(times) for _ in range(50)]
        assert all(longest / 2 <= pause <= longest for pause in pauses)
        assert len(set(pauses)) > 1


def test_a_bad_release_of_ten_minutes_sets_nothing_aside_and_a_short_fault_costs_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses = range(1, Settings().command_attempts)
    monkeypatch.setattr(random, "uniform", lambda least, _: least)
    assert 600 < sum(map(pause_after_failures, pauses)) < 700
    monkeypatch.setattr(random, "uniform", lambda _, most: most)
    assert sum(map(pause_after_failures, pauses)) < 1_400
    assert sum(map(pause_after_failures, range(1, 4))) < 11
    assert pause_after_failures(100) == 300
