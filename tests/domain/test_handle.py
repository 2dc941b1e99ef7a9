"""One command in the caller's transaction: all of it or nothing, and the transaction continues."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest
from psycopg.pq import TransactionStatus

import outbox_school
from outbox_school import statements
from outbox_school.commands import (
    CreateClass,
    CreateStudent,
    DeleteClass,
    DeleteStudent,
    UpdateClass,
    UpdateStudent,
)
from outbox_school.results import ErrorCode
from outbox_school.school import school
from outbox_worker.application import Refused
from outbox_worker.settings import Settings
from outbox_worker.stores import event as appended
from tests.domain.school_rows import ANNA, BO, events, number, school_rows, succeeds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from outbox_school.commands import AnyCommand
    from outbox_school.results import Result
    from tests.domain.school_rows import Connection

CLASS, STUDENT, ABSENT = number(1), number(2), number(99)
EMAIL: Final = "ada@skola.se"


def room(**fields: object) -> CreateClass:
    given = {"actor": ANNA, "class_id": CLASS, "name": "9B", "course_codes": ["SV1"], **fields}
    return CreateClass.model_validate(given)


def pupil(**fields: object) -> CreateStudent:
    given = {"actor": ANNA, "first_name": "Ada", "last_name": "Ek", **fields}
    return CreateStudent.model_validate(given)


SETTING: Final = (
    room(),
    pupil(student_id=STUDENT, class_ids=[CLASS]),
    pupil(student_id=number(3), email=EMAIL),
)

REFUSALS: Final[dict[ErrorCode, AnyCommand]] = {
    ErrorCode.VALIDATION_ERROR: room(),
    ErrorCode.MULTIPLE_COURSE_ERROR: room(class_id=number(4), course_codes=["SV1", "SV2"]),
    ErrorCode.COURSE_NOT_FOUND: UpdateClass(actor=ANNA, class_id=CLASS, course_codes=["SV4"]),
    ErrorCode.NOT_FOUND: DeleteStudent(actor=BO, student_id=STUDENT),
    # Both are refused after something has been written.
    ErrorCode.CLASS_NOT_FOUND: UpdateStudent(
        actor=ANNA, student_id=STUDENT, first_name="Eva", add_class_ids=[ABSENT]
    ),
    ErrorCode.DUPLICATE_EMAIL: UpdateStudent(
        actor=ANNA, student_id=STUDENT, first_name="Eva", email=EMAIL
    ),
}


def code(result: Result) -> str:
    assert isinstance(result, Refused)
    return result.code


@pytest.fixture
def service(database: str) -> Iterator[Connection]:
    """A connection as a Python service has it: not in autocommit."""
    with psycopg.connect(database) as link:
        yield link


@pytest.mark.parametrize("expected", REFUSALS)
def test_a_refusal_writes_nothing_and_the_callers_transaction_goes_on(
    service: Connection, connection: Connection, expected: ErrorCode
) -> None:
    for command in SETTING:
        succeeds(outbox_school.handle(connection, command))
    rows, known = school_rows(connection), len(events(connection))
    with service.transaction():
        service.execute("CREATE TABLE public.work_of_the_caller ()")
        assert code(outbox_school.handle(service, REFUSALS[expected])) == expected
        assert service.info.transaction_status == TransactionStatus.INTRANS
        assert school_rows(service) == rows
        assert len(events(service)) == known
        succeeds(outbox_school.handle(service, room(class_id=number(5))))
    connection.execute("SELECT FROM public.work_of_the_caller")
    assert len(school_rows(connection).classes) == len(rows.classes) + 1
    assert len(events(connection)) == known + 1


def test_all_that_was_done_in_a_transaction_goes_with_it(
    service: Connection, connection: Connection
) -> None:
    with service.transaction(force_rollback=True):
        for command in SETTING:
            succeeds(outbox_school.handle(service, command))
        assert code(outbox_school.handle(service, room())) == ErrorCode.VALIDATION_ERROR
        assert len(events(service)) == len(SETTING)
    assert school_rows(connection) == (frozenset(), frozenset(), frozenset())
    assert events(connection) == []


def test_nothing_is_seen_before_the_caller_commits(
    service: Connection, connection: Connection
) -> None:
    with service.transaction():
        for command in SETTING:
            succeeds(outbox_school.handle(service, command))
        assert events(connection) == []
        assert school_rows(connection).students == frozenset()
    assert [event.type for event in events(connection)] == [
        "class.created.v1",
        "class.student.created.v1",
        "class.student.created.v1",
    ]


@pytest.mark.parametrize("autocommit", [True, False])
def test_without_an_open_transaction_it_is_one_of_its_own(
    database: str, connection: Connection, autocommit: bool
) -> None:
    with psycopg.connect(database, autocommit=autocommit) as link:
        succeeds(outbox_school.handle(link, room()))
        assert link.info.transaction_status == TransactionStatus.IDLE
        assert len(events(connection)) == 1
        assert code(outbox_school.handle(link, room())) == ErrorCode.VALIDATION_ERROR
        assert link.info.transaction_status == TransactionStatus.IDLE


def test_a_caller_that_executed_something_before_still_decides(
    service: Connection, connection: Connection
) -> None:
    service.execute("SELECT 1")
    succeeds(outbox_school.handle(service, room()))
    assert events(connection) == []
    service.rollback()
    assert school_rows(connection).classes == frozenset()


def test_the_events_of_a_transaction_are_in_the_order_of_its_commands(
    connection: Connection,
) -> None:
    with connection.transaction():
        for n in range(20):
            succeeds(
                outbox_school.handle(
                    connection, UpdateClass(actor=ANNA, class_id=CLASS, name=f"{n}")
                )
                if n
                else outbox_school.handle(connection, room())
            )
    told = events(connection)
    assert [event.payload["class_designation"] for event in told[1:]] == [
        f"{n}" for n in range(1, 20)
    ]
    assert {event.key for event in told} == {str(CLASS)}


def test_the_prefix_of_topics_can_be_set(connection: Connection) -> None:
    succeeds(outbox_school.handle(connection, room(), topic_prefix="skola."))
    (event,) = events(connection)
    assert (event.topic, event.type) == ("skola.class.created.v1", "class.created.v1")


def test_an_infrastructure_fault_is_raised_and_leaves_nothing(
    connection: Connection, service: Connection
) -> None:
    succeeds(outbox_school.handle(connection, room()))
    service.execute("SET lock_timeout = '50ms'")
    service.commit()
    with connection.transaction():
        succeeds(
            outbox_school.handle(connection, UpdateClass(actor=ANNA, class_id=CLASS, name="9C"))
        )
        with pytest.raises(psycopg.errors.LockNotAvailable):
            outbox_school.handle(service, DeleteClass(actor=ANNA, class_id=CLASS))
    succeeds(outbox_school.handle(service, DeleteClass(actor=ANNA, class_id=CLASS)))


def test_a_broken_rule_that_no_command_knows_is_raised(connection: Connection) -> None:
    connection.execute(
        "ALTER TABLE school.class ADD CONSTRAINT no_9b CHECK (name <> '9B')",
    )
    with pytest.raises(psycopg.errors.CheckViolation, match="no_9b"):
        outbox_school.handle(connection, room())
    with pytest.raises(psycopg.errors.CheckViolation, match="event_topic_is_a_kafka_topic"):
        outbox_school.handle(connection, room(name="9C"), topic_prefix="no topic ")
    assert school_rows(connection).classes == frozenset()


def test_a_service_needs_the_role_of_the_domain_and_no_other(
    connection: Connection, database: str
) -> None:
    with psycopg.connect(database, autocommit=True) as link:
        link.execute("SET ROLE outbox_domain")
        for command in (
            *SETTING,
            UpdateClass(actor=ANNA, class_id=CLASS, name="9C"),
            UpdateStudent(actor=ANNA, student_id=STUDENT, email="eva@skola.se"),
            UpdateStudent(actor=ANNA, student_id=STUDENT, remove_class_ids=[CLASS]),
            UpdateStudent(actor=ANNA, student_id=STUDENT, add_class_ids=[CLASS]),
        ):
            succeeds(outbox_school.handle(link, command))
        assert outbox_school.reads.get_class(link, ANNA, CLASS)
        assert outbox_school.reads.get_student(link, ANNA, STUDENT)
        assert len(outbox_school.reads.get_roster(link, ANNA, CLASS)) == 1
        assert len(outbox_school.reads.list_classes(link, ANNA).items) == 1
        assert len(outbox_school.reads.list_students(link, ANNA).items) == 2
        succeeds(outbox_school.handle(link, DeleteStudent(actor=ANNA, student_id=STUDENT)))
        succeeds(outbox_school.handle(link, DeleteClass(actor=ANNA, class_id=CLASS)))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            link.execute("UPDATE school.course SET name = 'English 8'")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            link.execute("SELECT payload FROM outbox.event")
    assert len(events(connection)) == len(SETTING) + 6


def test_a_reader_sees_the_views_and_no_table(connection: Connection) -> None:
    connection.execute("SET ROLE outbox_reader")
    for view in ("class", "student", "roster"):
        connection.execute(f"SELECT FROM domain.{view}".encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT FROM school.class")


def statements_of(
    monkeypatch: pytest.MonkeyPatch, connection: Connection, command: AnyCommand
) -> list[str]:
    """The names of the statements that a command runs."""
    run: list[str] = []

    def noting(execute: Callable[..., Any]) -> Callable[..., Any]:
        def noted(link: Connection, name: str, parameters: dict[str, object]) -> object:
            run.append(name)
            return execute(link, name, parameters)

        return noted

    with monkeypatch.context() as patch:
        patch.setattr(statements, "execute", noting(statements.execute))
        patch.setattr(appended, "_execute", noting(appended._execute))
        succeeds(outbox_school.handle(connection, command))
    return run


def test_a_command_runs_no_statement_that_it_does_not_need(
    monkeypatch: pytest.MonkeyPatch, connection: Connection
) -> None:
    def run(command: AnyCommand) -> list[str]:
        return statements_of(monkeypatch, connection, command)

    assert run(room()) == ["school_class/insert_class", "event/insert_event"]
    assert run(pupil(student_id=STUDENT)) == ["student/insert_student", "event/insert_event"]
    same = UpdateStudent(actor=ANNA, student_id=STUDENT, first_name="Ada")
    assert run(same) == ["student/lock_student"]
    assert len(run(pupil(class_ids=[CLASS] * 9))) == 4


def test_without_a_savepoint_and_a_transaction_nothing_is_begun(
    service: Connection, connection: Connection
) -> None:
    late = REFUSALS[ErrorCode.DUPLICATE_EMAIL]
    for command in SETTING:
        succeeds(outbox_school.handle(connection, command))
    rows = school_rows(connection)
    with pytest.raises(ValueError, match="needs a transaction"):
        outbox_school.handle(connection, late, savepoint=False)
    assert school_rows(connection) == rows
    with connection.transaction(force_rollback=True):
        assert (
            code(outbox_school.handle(connection, late, savepoint=False))
            == ErrorCode.DUPLICATE_EMAIL
        )
    # Not in autocommit the first statement begins one.
    assert code(outbox_school.handle(service, late, savepoint=False)) == ErrorCode.DUPLICATE_EMAIL
    service.rollback()
    assert school_rows(connection) == rows


def test_the_domain_and_the_worker_send_events_to_the_same_topics_by_default() -> None:
    assert (
        school.prefix(Settings.model_fields["topic_prefix"].default) == outbox_school.TOPIC_PREFIX
    )
