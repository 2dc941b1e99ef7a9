"""Who wrote what: decided once, all of a command or nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

from outbox_school import commands
from outbox_school.handle import handle
from outbox_school.results import ConfirmationResult, ErrorCode
from outbox_school.statements import sql
from outbox_worker.application import Refused
from outbox_worker.postgres import database as connections
from tests.domain.authors import (
    CONFIRMED,
    NOON,
    READY,
    TEACHER,
    completed_at,
    completions,
    confirm,
    enrol,
    events_of_batch,
    found,
    make_batch,
    make_guest_batch,
    make_room,
    provision,
    refused,
    rows,
    succeeds,
    suggest,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from outbox_worker.stores import Connection


@pytest.fixture
def connection(migrated_database_url: str) -> Iterator[Connection]:
    """An autocommit connection to the database of this module; each test has its own batch."""
    with connections.connect(migrated_database_url, application="tests") as link:
        yield link


LATER = NOON + timedelta(hours=1)
STRANGER = UUID(int=99)
"""A batch that nobody registered."""


def test_the_last_decision_completes_the_batch_and_tells_it_once(connection: Connection) -> None:
    room = make_room(connection)
    batch = make_batch(connection, room, ["assigned", "failed", "assigned", "assigned"])
    first, second, third = batch.essays
    ada, bob, eve = room.students
    suggest(connection, batch, found(first, (ada, 0.9)), found(second, (bob, 0.4)), found(third))
    some = confirm(connection, batch.batch_id, {first: ada, third: eve})
    assert some == ConfirmationResult(batch_id=batch.batch_id, decided=2, completed=False)
    assert events_of_batch(connection, batch.batch_id) == []
    assert completed_at(connection, batch.batch_id) is None
    last = confirm(connection, batch.batch_id, {second: None, first: ada}, now=LATER)
    assert last == ConfirmationResult(batch_id=batch.batch_id, decided=1, completed=True)
    assert completed_at(connection, batch.batch_id) == LATER
    assert completions(connection, batch.batch_id) == [("REGULAR", -1, 1)]
    events = events_of_batch(connection, batch.batch_id)
    assert [kind for kind, _ in events] == [CONFIRMED, READY]
    again = confirm(connection, batch.batch_id, {first: ada, second: None, third: eve})
    assert again == ConfirmationResult(batch_id=batch.batch_id, decided=0, completed=True)
    assert events_of_batch(connection, batch.batch_id) == events
    assert completions(connection, batch.batch_id) == [("REGULAR", -1, 1)]


def test_subscribers_are_told_all_of_it(connection: Connection) -> None:
    room = make_room(connection)
    batch = make_batch(connection, room, ["assigned", "failed", "assigned", "assigned"])
    first, second, third = batch.essays
    ada, bob, eve = room.students
    suggest(connection, batch, found(first, (ada, 0.9)), found(second, (bob, 0.4)), found(third))
    confirm(connection, batch.batch_id, {third: eve, first: ada})
    confirm(connection, batch.batch_id, {second: None}, now=LATER)
    (_, confirmed), (_, ready) = events_of_batch(connection, batch.batch_id)
    common = {
        "batch_id": str(batch.batch_id),
        "class_id": str(room.class_id),
        "user_id": TEACHER,
        "course_code": "SV2",
        "correlation_id": str(batch.correlation_id),
        "occurred_at": "2030-05-17T13:00:00Z",
    }
    assert confirmed == common | {
        "associations": [
            association(first, ada, "Ada 0", 0.9),
            association(second, None, None, None) | {"validated_at": "2030-05-17T13:00:00Z"},
            association(third, eve, "Ada 2", None),
        ],
        "timeout_triggered": False,
        "summary": {"confirmed": 2, "no_student": 1, "by_method": {"human": 3, "timeout": 0}},
    }
    essays = [ready_essay(first, ada), ready_essay(second, None), ready_essay(third, eve)]
    assert ready == common | {
        "ready_essays": essays,
        "course_language": "sv",
        "class_type": "REGULAR",
        "student_prompt_ref": "prompt-7",
    }


def association(
    essay: UUID, student: UUID | None, name: str | None, confidence: float | None
) -> dict[str, object]:
    """The event's entry for an essay that the teacher decided at noon."""
    return {
        "essay_id": str(essay),
        "student_id": student and str(student),
        "student_name": name,
        "confidence": confidence,
        "method": "human",
        "validated_by": TEACHER,
        "validated_at": "2030-05-17T12:00:00Z",
    }


def ready_essay(essay: UUID, student: UUID | None) -> dict[str, object]:
    return {
        "essay_id": str(essay),
        "text_storage_id": f"text-{essay}",
        "student_id": student and str(student),
    }


def test_a_suggestion_that_the_teacher_does_not_take_has_no_confidence(
    connection: Connection,
) -> None:
    room = make_room(connection)
    batch = make_batch(connection, room, ["assigned"])
    (essay,) = batch.essays
    suggest(connection, batch, found(essay, (room.students[0], 0.9)))
    succeeds(confirm(connection, batch.batch_id, {essay: room.students[1]}))
    association = events_of_batch(connection, batch.batch_id)[0][1]["associations"][0]
    assert association["student_id"] == str(room.students[1])
    assert association["confidence"] is None


@pytest.mark.parametrize(
    ("student", "is_confirmed", "author"), [(0, True, 0), (0, False, None), (None, True, None)]
)
def test_an_author_is_a_student_that_is_confirmed(
    connection: Connection, student: int | None, is_confirmed: bool, author: int | None
) -> None:
    room = make_room(connection)
    batch = make_batch(connection, room, ["assigned"])
    (essay,) = batch.essays
    decision: dict[str, object] = {"essay_id": essay, "confirmed": is_confirmed}
    decision["student_id"] = None if student is None else room.students[student]
    command = {"actor": TEACHER, "batch_id": batch.batch_id, "associations": [decision]}
    succeeds(handle(connection, commands.ConfirmAssociations.model_validate(command), now=NOON))
    assert rows(connection, batch.batch_id)[essay] == (
        ("no_student", None, None, "human", TEACHER, NOON)
        if author is None
        else ("confirmed", room.students[author], "Ada 0", "human", TEACHER, NOON)
    )


def test_a_batch_of_somebody_else_does_not_exist(connection: Connection) -> None:
    room = make_room(connection)
    batch, guests = make_batch(connection, room), make_guest_batch(connection)
    author = {batch.essays[0]: room.students[0]}
    hidden = confirm(connection, batch.batch_id, author, actor="another")
    refused(hidden, ErrorCode.NOT_FOUND, batch_id=str(batch.batch_id))
    absent = confirm(connection, STRANGER, author)
    refused(absent, ErrorCode.NOT_FOUND, batch_id=str(STRANGER))
    assert isinstance(hidden, Refused)
    assert isinstance(absent, Refused)
    assert hidden.message == absent.message
    refused(
        confirm(connection, guests, author, actor="another"),
        ErrorCode.NOT_FOUND,
        batch_id=str(guests),
    )
    refused(confirm(connection, guests, author), ErrorCode.BATCH_NOT_REGULAR, batch_id=str(guests))
    assert rows(connection, batch.batch_id) == {}


def test_a_refused_decision_refuses_the_whole_command(connection: Connection) -> None:
    room = make_room(connection)
    elsewhere = make_room(connection)
    batch = make_batch(connection, room, ["assigned", "free", "failed", "assigned"])
    first, second = batch.essays
    ada, bob, _ = room.students
    good: dict[UUID, UUID | None] = {first: ada}
    strange = [*batch.textless, uuid4()]
    refused(
        confirm(connection, batch.batch_id, good | dict.fromkeys(strange, bob)),
        ErrorCode.ESSAY_NOT_IN_BATCH,
        essay_ids=sorted(map(str, strange)),
    )
    outside = elsewhere.students[0]
    refused(
        confirm(connection, batch.batch_id, good | {second: outside}),
        ErrorCode.STUDENT_NOT_IN_CLASS,
        student_ids=[str(outside)],
    )
    assert rows(connection, batch.batch_id) == {}
    succeeds(confirm(connection, batch.batch_id, {second: bob}))
    before = rows(connection, batch.batch_id)
    for other in (ada, None):
        refused(
            confirm(connection, batch.batch_id, good | {second: other}, now=LATER),
            ErrorCode.ALREADY_CONFIRMED,
            essay_ids=[str(second)],
        )
    assert rows(connection, batch.batch_id) == before
    assert events_of_batch(connection, batch.batch_id) == []


def test_nobody_is_a_decision_that_stands(connection: Connection) -> None:
    room = make_room(connection)
    batch = make_batch(connection, room)
    essay = batch.essays[0]
    succeeds(confirm(connection, batch.batch_id, {essay: None}))
    assert confirm(connection, batch.batch_id, {essay: None}) == ConfirmationResult(
        batch_id=batch.batch_id, decided=0, completed=False
    )
    refused(
        confirm(connection, batch.batch_id, {essay: room.students[0]}),
        ErrorCode.ALREADY_CONFIRMED,
        essay_ids=[str(essay)],
    )


def test_a_decision_outlives_its_student(connection: Connection) -> None:
    room = make_room(connection)
    batch = make_batch(connection, room)
    first, second = batch.essays
    ada, bob, _ = room.students
    succeeds(confirm(connection, batch.batch_id, {first: ada}))
    renamed = commands.UpdateStudent(actor=TEACHER, student_id=ada, last_name="Berg")
    succeeds(handle(connection, renamed))
    succeeds(handle(connection, commands.DeleteStudent(actor=TEACHER, student_id=ada)))
    before = rows(connection, batch.batch_id)
    assert before[first][1:3] == (ada, "Ada 0")
    result = confirm(connection, batch.batch_id, {first: ada, second: bob})
    assert result == ConfirmationResult(batch_id=batch.batch_id, decided=1, completed=True)
    assert rows(connection, batch.batch_id)[first] == before[first]
    confirmed = events_of_batch(connection, batch.batch_id)[0][1]["associations"]
    assert [(each["student_id"], each["student_name"]) for each in confirmed] == [
        (str(ada), "Ada 0"),
        (str(bob), "Ada 1"),
    ]


def test_a_student_who_came_after_the_suggestion_may_be_the_author(connection: Connection) -> None:
    room = make_room(connection)
    batch = make_batch(connection, room, ["assigned"])
    suggest(connection, batch, found(batch.essays[0], no_match_reason="unknown name"))
    newcomer = enrol(connection, room, "Ny")
    result = confirm(connection, batch.batch_id, {batch.essays[0]: newcomer})
    assert result == ConfirmationResult(batch_id=batch.batch_id, decided=1, completed=True)


def test_a_batch_that_waits_for_content_is_completed_by_the_content(
    connection: Connection,
) -> None:
    room = make_room(connection)
    batch = make_batch(connection, room, provisioned=False)
    authors = dict.fromkeys(batch.essays, room.students[0])
    result = confirm(connection, batch.batch_id, authors)
    assert result == ConfirmationResult(batch_id=batch.batch_id, decided=2, completed=False)
    assert events_of_batch(connection, batch.batch_id) == []
    assert provision(connection, batch, LATER)
    assert [kind for kind, _ in events_of_batch(connection, batch.batch_id)] == [CONFIRMED, READY]
    assert completed_at(connection, batch.batch_id) == LATER
    assert provision(connection, batch, LATER)
    assert len(events_of_batch(connection, batch.batch_id)) == 2


def test_content_does_not_complete_a_batch_of_which_an_author_is_undecided(
    connection: Connection,
) -> None:
    room = make_room(connection)
    batch = make_batch(connection, room, provisioned=False)
    suggest(connection, batch, *(found(essay, (room.students[0], 1.0)) for essay in batch.essays))
    confirm(connection, batch.batch_id, {batch.essays[0]: room.students[0]})
    assert not provision(connection, batch)
    assert events_of_batch(connection, batch.batch_id) == []


def test_a_batch_without_any_text_waits_for_no_author(connection: Connection) -> None:
    batch = make_batch(connection, make_room(connection), ["failed"] * 2, provisioned=False)
    assert provision(connection, batch)
    (_, confirmed), (_, ready) = events_of_batch(connection, batch.batch_id)
    assert (confirmed["associations"], ready["ready_essays"]) == ([], [])
    assert confirmed["summary"]["confirmed"] == confirmed["summary"]["no_student"] == 0
    assert not confirmed["timeout_triggered"]


def test_the_class_is_in_use_until_its_authors_are_decided(connection: Connection) -> None:
    room = make_room(connection)
    batch = make_batch(connection, room, ["assigned"])
    delete = commands.DeleteClass(actor=TEACHER, class_id=room.class_id)
    refused(handle(connection, delete), ErrorCode.CLASS_IN_USE, class_id=str(room.class_id))
    authors: dict[UUID, UUID | None] = {batch.essays[0]: room.students[0]}
    succeeds(confirm(connection, batch.batch_id, authors))
    succeeds(handle(connection, delete))
    assert confirm(connection, batch.batch_id, authors) == ConfirmationResult(
        batch_id=batch.batch_id, decided=0, completed=True
    )


def test_a_thousand_essays_take_as_many_statements_as_one(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = make_room(connection, 2)
    batches = [make_batch(connection, room, ["assigned"] * count) for count in (1, 1_000)]
    load, names = sql.load, list[str]()

    def counted(name: str) -> bytes:
        names.append(name)
        return load(name)

    monkeypatch.setattr(sql, "load", counted)
    seen = []
    for batch in batches:
        names.clear()
        ranked = [(student, 0.1 * n) for n, student in enumerate(room.students * 10)]
        offers = [(student, min(score, 1.0)) for student, score in ranked]
        suggest(connection, batch, *(found(essay, *offers) for essay in batch.essays))
        result = confirm(connection, batch.batch_id, dict.fromkeys(batch.essays, room.students[0]))
        assert isinstance(result, ConfirmationResult)
        assert (result.decided, result.completed) == (len(batch.essays), True)
        seen.append(list(names))
    assert seen[0] == seen[1]
    assert len(seen[0]) <= 12
