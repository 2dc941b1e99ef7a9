"""Classes: each rule, each error with its details, each event with its exact payload."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

import outbox_school
from outbox_school.commands import CreateClass, CreateStudent, DeleteClass, UpdateClass
from outbox_school.results import ClassResult, ErrorCode
from tests.domain.rule_cases import COMMAND, CORRELATION, Case, check, expected_event
from tests.domain.school_rows import (
    ANNA,
    BO,
    events,
    not_found,
    number,
    refused,
    school_rows,
    succeeds,
    taken,
)

if TYPE_CHECKING:
    from pydantic import JsonValue

    from tests.domain.school_rows import Connection

CLASS: Final = number(1)
KNOWN: Final = ("ENG5", "ENG6", "ENG7", "SV1", "SV2", "SV3")

INSERT_BATCH: Final = """
INSERT INTO school.batch (batch_id, owner, course_code, class_type, class_id, expected_count,
                          correlation_id, provisioned_at, completed_at)
VALUES (%(batch)s, 'anna', 'SV1', 'REGULAR', %(class)s, 1, %(batch)s, %(done)s, %(done)s)"""


def create(**fields: object) -> CreateClass:
    given = {"actor": ANNA, "class_id": CLASS, "name": "9B", "course_codes": ["SV1"], **fields}
    return CreateClass.model_validate(given)


def asked(**fields: object) -> CreateClass:
    return create(command_id=COMMAND, correlation_id=CORRELATION, **fields)


def update(**fields: object) -> UpdateClass:
    given = {"actor": ANNA, "class_id": CLASS, "correlation_id": CORRELATION, **fields}
    return UpdateClass.model_validate(given)


def delete(**fields: object) -> DeleteClass:
    given = {"actor": ANNA, "class_id": CLASS, "correlation_id": CORRELATION, **fields}
    return DeleteClass.model_validate(given)


DONE: Final = ClassResult(class_id=CLASS)

CREATED: Final[dict[str, JsonValue]] = {
    "class_id": str(CLASS),
    "class_designation": "9B",
    "course_codes": ["SV1"],
    "user_id": ANNA,
}

CASES: Final = {
    "a class is created": Case(
        asked(), DONE, [expected_event("class.created.v1", CLASS, **CREATED)]
    ),
    "without an id it has that of its command": Case(
        CreateClass(
            actor=ANNA,
            name="9B",
            course_codes=["SV1"],
            command_id=COMMAND,
            correlation_id=CORRELATION,
        ),
        ClassResult(class_id=COMMAND),
        [expected_event("class.created.v1", COMMAND, **(CREATED | {"class_id": str(COMMAND)}))],
    ),
    "blanks around name and course do not count": Case(
        asked(name="\u00a0 9B  ", course_codes=[" SV1 "]),
        DONE,
        [expected_event("class.created.v1", CLASS, **CREATED)],
    ),
    "a name may have 100 characters, and any letters": Case(
        asked(name="å𝒳" * 50),
        DONE,
        [expected_event("class.created.v1", CLASS, **(CREATED | {"class_designation": "å𝒳" * 50}))],
    ),
    "two classes may have one name": Case(
        asked(),
        DONE,
        [expected_event("class.created.v1", CLASS, **CREATED)],
        before=[create(class_id=number(2))],
    ),
    "more than one course is refused": Case(
        asked(course_codes=["ENG5", "SV1"]),
        refused(
            ErrorCode.MULTIPLE_COURSE_ERROR,
            "A class has exactly one course",
            course_codes=["ENG5", "SV1"],
        ),
    ),
    "the same course twice is more than one": Case(
        asked(course_codes=["SV1", "SV1"]),
        refused(
            ErrorCode.MULTIPLE_COURSE_ERROR,
            "A class has exactly one course",
            course_codes=["SV1", "SV1"],
        ),
    ),
    "an unknown course is refused": Case(
        asked(course_codes=["SV4"]),
        refused(ErrorCode.COURSE_NOT_FOUND, "There is no such course", course_codes=["SV4"]),
    ),
    "a course is written in capitals": Case(
        asked(course_codes=["sv1"]),
        refused(ErrorCode.COURSE_NOT_FOUND, "There is no such course", course_codes=["sv1"]),
    ),
    "an id of one's own is taken": Case(asked(), taken("class_id"), before=[create()]),
    "an id of somebody else is taken": Case(asked(), taken("class_id"), before=[create(actor=BO)]),
    "a name changes": Case(
        update(name="9C"),
        DONE,
        [
            expected_event(
                "class.updated.v1",
                CLASS,
                class_id=str(CLASS),
                class_designation="9C",
                user_id=ANNA,
            )
        ],
        before=[create()],
    ),
    "a course changes": Case(
        update(course_codes=["ENG5"]),
        DONE,
        [
            expected_event(
                "class.updated.v1",
                CLASS,
                class_id=str(CLASS),
                course_codes=["ENG5"],
                user_id=ANNA,
            )
        ],
        before=[create()],
    ),
    "both change": Case(
        update(name=" 9C ", course_codes=["ENG5"]),
        DONE,
        [
            expected_event(
                "class.updated.v1",
                CLASS,
                class_id=str(CLASS),
                class_designation="9C",
                course_codes=["ENG5"],
                user_id=ANNA,
            )
        ],
        before=[create()],
    ),
    "of two given only what differs is in the event": Case(
        update(name="9B", course_codes=["ENG5"]),
        DONE,
        [
            expected_event(
                "class.updated.v1",
                CLASS,
                class_id=str(CLASS),
                course_codes=["ENG5"],
                user_id=ANNA,
            )
        ],
        before=[create()],
    ),
    "no real change succeeds and tells nothing": Case(
        update(name=" 9B", course_codes=["SV1"]), DONE, before=[create()]
    ),
    "a change to two courses is refused": Case(
        update(name="9C", course_codes=["SV1", "SV2"]),
        refused(
            ErrorCode.MULTIPLE_COURSE_ERROR,
            "A class has exactly one course",
            course_codes=["SV1", "SV2"],
        ),
        before=[create()],
    ),
    "a change to an unknown course is refused": Case(
        update(name="9C", course_codes=["NO_SUCH_COURSE_AT_ALL"]),
        refused(
            ErrorCode.COURSE_NOT_FOUND,
            "There is no such course",
            course_codes=["NO_SUCH_COURSE_AT_ALL"],
        ),
        before=[create()],
    ),
    "a class that is not there cannot change": Case(
        update(name="9C"), not_found("class_id", CLASS)
    ),
    "a class of somebody else cannot change": Case(
        update(name="9C"), not_found("class_id", CLASS), before=[create(actor=BO)]
    ),
    "a class is deleted": Case(
        delete(),
        DONE,
        [expected_event("class.deleted.v1", CLASS, **CREATED)],
        before=[create()],
    ),
    "a class that is not there cannot be deleted": Case(delete(), not_found("class_id", CLASS)),
    "a class of somebody else cannot be deleted": Case(
        delete(), not_found("class_id", CLASS), before=[create(actor=BO)]
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_each_rule_of_classes(connection: Connection, case: Case) -> None:
    check(connection, case)


@pytest.mark.parametrize("code", KNOWN)
def test_every_course_of_the_list_is_known(connection: Connection, code: str) -> None:
    succeeds(outbox_school.handle(connection, create(course_codes=[code])))
    view = outbox_school.reads.get_class(connection, ANNA, CLASS)
    assert view
    names = {"ENG": "English", "SV": "Svenska"}
    stem, level = code[:-1], code[-1]
    assert view.course_name == f"{names[stem]} {level}"
    assert view.course_language == {"ENG": "en", "SV": "sv"}[stem]


def test_no_course_is_known_beside_the_list(connection: Connection) -> None:
    rows = connection.execute("SELECT code FROM school.course ORDER BY code").fetchall()
    assert [row[0] for row in rows] == sorted(KNOWN)


def test_without_a_correlation_id_events_carry_that_of_the_command(connection: Connection) -> None:
    succeeds(outbox_school.handle(connection, create(command_id=COMMAND)))
    (event,) = events(connection)
    assert event.payload["correlation_id"] == str(COMMAND)
    assert event.headers == {"correlation-id": str(COMMAND)}


def test_a_change_leaves_the_day_of_creation_alone(connection: Connection) -> None:
    succeeds(outbox_school.handle(connection, create()))
    before = outbox_school.reads.get_class(connection, ANNA, CLASS)
    succeeds(outbox_school.handle(connection, update(name="9C")))
    after = outbox_school.reads.get_class(connection, ANNA, CLASS)
    assert before
    assert after
    assert (after.name, after.created_at) == ("9C", before.created_at)
    assert after.updated_at > before.updated_at


def test_enrolments_go_with_a_class_and_its_students_stay(connection: Connection) -> None:
    other = number(2)
    succeeds(outbox_school.handle(connection, create()))
    succeeds(outbox_school.handle(connection, create(class_id=other)))
    student = CreateStudent(actor=ANNA, first_name="Ada", last_name="Ek", class_ids=[CLASS, other])
    succeeds(outbox_school.handle(connection, student))
    succeeds(outbox_school.handle(connection, delete()))
    rows = school_rows(connection)
    assert rows.enrolments == {(other, student.command_id)}
    assert {row[0] for row in rows.students} == {student.command_id}
    assert events(connection)[-1].type == "class.deleted.v1"


@pytest.mark.parametrize("done", [None, "2030-01-01T00:00:00Z"], ids=["open", "completed"])
def test_a_class_is_in_use_until_its_batches_are_completed(
    connection: Connection, done: str | None
) -> None:
    succeeds(outbox_school.handle(connection, create()))
    batch = {"batch": number(7), "class": CLASS, "done": done}
    connection.execute(INSERT_BATCH, batch)
    expected = (
        DONE
        if done
        else refused(
            ErrorCode.CLASS_IN_USE,
            "A batch of this class is not completed",
            class_id=str(CLASS),
        )
    )
    rows = school_rows(connection)
    known = len(events(connection))
    assert outbox_school.handle(connection, delete()) == expected
    assert (school_rows(connection) == rows) == (done is None)
    assert len(events(connection)) - known == (1 if done else 0)


def test_a_class_in_use_by_one_of_its_batches_is_in_use(connection: Connection) -> None:
    succeeds(outbox_school.handle(connection, create()))
    for batch, done in ((7, "2030-01-01T00:00:00Z"), (8, None)):
        connection.execute(INSERT_BATCH, {"batch": number(batch), "class": CLASS, "done": done})
    result = outbox_school.handle(connection, delete())
    assert isinstance(result, outbox_school.Refused)
    assert result.code == ErrorCode.CLASS_IN_USE


def test_a_deleted_class_can_be_made_again_under_its_id(connection: Connection) -> None:
    for command in (create(), delete(), create(name="9C")):
        succeeds(outbox_school.handle(connection, command))
    assert [event.type for event in events(connection)] == [
        "class.created.v1",
        "class.deleted.v1",
        "class.created.v1",
    ]
