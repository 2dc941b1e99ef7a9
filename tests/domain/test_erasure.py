"""Erasure of a student: nothing in the tables of the school names it afterwards."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql as identifiers

from outbox_school import commands
from outbox_school.handle import handle
from outbox_school.results import ConfirmationResult, ErrorCode, StudentResult
from outbox_school.slots import IsolationLevelError
from tests.domain.authors import (
    CONFIRMED,
    TEACHER,
    confirm,
    decide_all,
    events_of_batch,
    found,
    make_batch,
    make_room,
    refused,
    rows,
    succeeds,
    suggest,
)
from tests.domain.rule_cases import CORRELATION, Case, check, expected_event
from tests.domain.school_rows import ANNA, BO, not_found
from tests.domain.second_connection import WAIT_S, second_connections
from tests.domain.student_cases import DONE, ONE, ROOMS, STUDENT, TWO, create, delete

if TYPE_CHECKING:
    from outbox_worker.stores import Connection
    from tests.domain.authors import Room

NAME: Final = "Ada 0"
"""The first student of a class; a suggestion has the name of its student in its reasons."""

TABLES: Final = "SELECT tablename FROM pg_tables WHERE schemaname = 'school'"
TEXT: Final = identifiers.SQL("SELECT {table}::text FROM school.{table}")
WRITTEN: Final = (
    "SELECT topic, type, payload, headers FROM outbox.event WHERE key = %s ORDER BY id DESC LIMIT 4"
)


def erasure(student_id: UUID, **fields: object) -> commands.EraseStudent:
    given = {"actor": TEACHER, "student_id": student_id, **fields}
    return commands.EraseStudent.model_validate(given)


STUDENT_ERASED: Final = expected_event(
    "class.student.erased.v1",
    STUDENT,
    student_id=str(STUDENT),
    class_ids=[str(ONE), str(TWO)],
    erased_by=ANNA,
)
NONE: Final = not_found("student_id", STUDENT)
ASKED: Final = erasure(STUDENT, actor=ANNA, correlation_id=CORRELATION)

ERASING: Final = {
    "a student is erased, and its event does not name it": Case(
        ASKED,
        DONE,
        [STUDENT_ERASED],
        before=[*ROOMS, create(email="ada@skola.se", class_ids=[TWO, ONE])],
    ),
    "a student that is not there": Case(ASKED, NONE),
    "a student of somebody else": Case(ASKED, NONE, before=[create(actor=BO)]),
    "a student that was deleted, and is in no batch": Case(
        ASKED, NONE, before=[create(), delete()]
    ),
}


@pytest.mark.parametrize("case", ERASING.values(), ids=ERASING)
def test_each_rule_of_erasure(connection: Connection, case: Case) -> None:
    check(connection, case)


def naming(connection: Connection, name: str) -> list[str]:
    """The tables of the school in which a row has this text anywhere."""
    tables = sorted(row[0] for row in connection.execute(TABLES))
    assert len(tables) > 8
    return [
        table
        for table in tables
        if any(
            name in row[0]
            for row in connection.execute(TEXT.format(table=identifiers.Identifier(table)))
        )
    ]


def suggestion(essay: UUID, student: UUID, name: str) -> dict[str, Any]:
    """A match whose reason has the name of the student, as a matching service would give it."""
    said = {"student_id": student, "confidence_score": 0.9, "match_reasons": [f"signed {name}"]}
    return {"essay_id": essay, "suggestions": [said]}


def test_decisions_and_suggestions_stay_and_name_the_student_no_more(
    connection: Connection,
) -> None:
    room = make_room(connection)
    batch = make_batch(connection, room, ["assigned"] * 3)
    first, second, third = batch.essays
    ada, bob, _ = room.students
    reasons = [
        suggestion(first, ada, NAME),
        suggestion(second, ada, NAME),
        found(third, (bob, 0.9)),
    ]
    succeeds(suggest(connection, batch, *reasons))
    confirm(connection, batch.batch_id, {first: ada, second: bob, third: bob})
    before = rows(connection, batch.batch_id)
    assert naming(connection, NAME) == ["association", "student"]
    assert handle(connection, erasure(ada)) == StudentResult(student_id=ada)
    assert naming(connection, NAME) == []
    after = rows(connection, batch.batch_id)
    assert after[first] == (*before[first][:2], None, *before[first][3:])
    assert [after[essay] for essay in (second, third)] == [before[second], before[third]]
    kept = "SELECT match_reasons IS NULL FROM school.association WHERE essay_id = %s"
    assert [connection.execute(kept, (each,)).fetchone() for each in batch.essays] == [
        (True,),
        (True,),
        (False,),
    ]


def test_a_student_that_was_deleted_before_is_erased_too_and_again(connection: Connection) -> None:
    room = make_room(connection)
    batch = make_batch(connection, room)
    ada = room.students[0]
    confirm(connection, batch.batch_id, {batch.essays[0]: ada})
    succeeds(handle(connection, commands.DeleteStudent(actor=TEACHER, student_id=ada)))
    assert naming(connection, NAME) == ["association"]
    refused(
        handle(connection, erasure(ada, actor="somebody else")),
        ErrorCode.NOT_FOUND,
        student_id=str(ada),
    )
    for _ in range(2):
        assert handle(connection, erasure(ada)) == StudentResult(student_id=ada)
        assert naming(connection, NAME) == []


def test_a_batch_that_is_completed_later_says_the_student_by_its_id_only(
    connection: Connection,
) -> None:
    room = make_room(connection)
    batch = make_batch(connection, room)
    first, second = batch.essays
    ada, bob, _ = room.students
    succeeds(suggest(connection, batch, suggestion(second, ada, NAME)))
    confirm(connection, batch.batch_id, {first: ada})
    succeeds(handle(connection, erasure(ada)))
    again = confirm(connection, batch.batch_id, {first: ada, second: bob})
    assert again == ConfirmationResult(batch_id=batch.batch_id, decided=1, completed=True)
    (kind, payload), _ = events_of_batch(connection, batch.batch_id)
    assert kind == CONFIRMED
    assert [(each["student_id"], each["student_name"]) for each in payload["associations"]] == [
        (str(ada), None),
        (str(bob), "Ada 1"),
    ]


def test_nobody_decides_for_a_student_that_is_erased(connection: Connection) -> None:
    room = make_room(connection)
    batch = make_batch(connection, room, ["assigned"])
    succeeds(suggest(connection, batch, suggestion(batch.essays[0], room.students[0], NAME)))
    succeeds(handle(connection, erasure(room.students[0])))
    assert decide_all(connection).no_student == 1
    assert naming(connection, NAME) == []


@pytest.mark.parametrize("tombstones", [False, True])
def test_topics_with_its_key_get_tombstones_where_that_is_asked_for(
    connection: Connection, tombstones: bool
) -> None:
    ada = make_room(connection).students[0]
    command = erasure(ada, tombstones=tombstones)
    succeeds(handle(connection, command))
    erased, *before = reversed(connection.execute(WRITTEN, (str(ada),)).fetchall())
    if not tombstones:
        erased = before.pop()
    headers = {"correlation-id": str(command.command_id)}
    topic, kind, payload, its_headers = erased
    assert (topic, kind, its_headers) == (f"huleedu.{kind}", "class.student.erased.v1", headers)
    assert json.loads(payload).keys() == {
        *("student_id", "class_ids", "erased_by", "correlation_id", "occurred_at")
    }
    kinds = [f"class.student.{each}.v1" for each in ("created", "updated", "deleted")]
    expected = [(f"huleedu.{each}", each, None, headers) for each in kinds]
    assert [row for row in before if row[2] is None] == (expected if tombstones else [])


def register(connection: Connection, room: Room) -> tuple[UUID, UUID]:
    """A batch of the class with a text; its id and that of its essay."""
    batch_id, essay_id = uuid4(), uuid4()
    succeeds(
        handle(
            connection,
            commands.RegisterBatch(
                actor="uploads",
                batch_id=batch_id,
                user_id=TEACHER,
                course_code="SV2",
                essay_ids=[essay_id],
                class_id=room.class_id,
            ),
        )
    )
    succeeds(
        handle(
            connection,
            commands.ProvisionContent(
                actor="uploads",
                batch_id=batch_id,
                text_storage_id="text",
                file_upload_id="upload",
                original_file_name="essay.docx",
                file_size_bytes=1,
            ),
        )
    )
    return batch_id, essay_id


@pytest.mark.parametrize("is_new", [False, True], ids=["a batch", "a batch that is registered"])
def test_a_decision_at_the_same_time_does_not_keep_the_name(
    database: str, connection: Connection, is_new: bool
) -> None:
    room = make_room(connection)
    known = register(connection, room)
    ada = room.students[0]
    with second_connections(database) as (other,):
        with connection.transaction():
            batch_id, essay_id = register(connection, room) if is_new else known
            succeeds(confirm(connection, batch_id, {essay_id: ada}))
            waiting = other.begin_blocked(erasure(ada))
        succeeds(waiting.result(WAIT_S))
    assert rows(connection, batch_id)[essay_id][1:3] == (ada, None)
    assert naming(connection, NAME) == []


def test_another_isolation_level_is_refused(connection: Connection) -> None:
    room = make_room(connection)
    make_batch(connection, room)
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    with pytest.raises(IsolationLevelError, match="READ COMMITTED"):
        handle(connection, erasure(room.students[0]))
    connection.isolation_level = None
    assert naming(connection, NAME) == ["student"]
