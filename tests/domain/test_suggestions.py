"""Who may have written what: suggested once."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from outbox_school import commands
from outbox_school.handle import handle
from outbox_school.results import (
    ErrorCode,
    EssayFault,
    Result,
    SuggestionResult,
)
from outbox_worker.postgres import database as connections
from tests.domain.authors import (
    NOON,
    confirm,
    events_of_batch,
    found,
    make_batch,
    make_guest_batch,
    make_room,
    refused,
    rows,
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
"""A student of no class of ours."""


def suggested(connection: Connection, batch_id: UUID) -> list[tuple[Any, ...]]:
    """What was suggested, in the order of the slots."""
    return connection.execute(
        "SELECT association.status, suggested_student_id, confidence_score, match_reasons, "
        "no_match_reason, suggested_at FROM school.association JOIN school.slot "
        "USING (batch_id, essay_id) WHERE batch_id = %s ORDER BY position",
        (batch_id,),
    ).fetchall()


# Who is suggested: (place in the class, None for one of another class; score) -> (place, score).
CHOICES: dict[str, tuple[list[tuple[int | None, float]], tuple[int, float] | None]] = {
    "the only one": ([(0, 0.2)], (0, 0.2)),
    "the best": ([(0, 0.5), (1, 0.9), (2, 0.8)], (1, 0.9)),
    "the first of equal ones": ([(0, 0.5), (2, 0.9), (1, 0.9)], (2, 0.9)),
    "the best of the class": ([(None, 0.99), (1, 0.3), (0, 0.1)], (1, 0.3)),
    "the better one of the same student": ([(0, 0.3), (0, 0.6)], (0, 0.6)),
    "somebody, however unlikely": ([(0, 0.0)], (0, 0.0)),
    "somebody for certain": ([(0, 0.7), (1, 1.0)], (1, 1.0)),
    "nobody of another class": ([(None, 1.0)], None),
    "nobody of none": ([], None),
}


@pytest.mark.parametrize("case", CHOICES)
def test_the_best_suggestion_of_somebody_in_the_class_is_kept(
    connection: Connection, case: str
) -> None:
    given, expected = CHOICES[case]
    room, elsewhere = make_room(connection), make_room(connection, 1)
    batch = make_batch(connection, room, ["assigned"])
    (outsider,) = elsewhere.students
    offers = [(outsider if place is None else room.students[place], n) for place, n in given]
    match = found(batch.essays[0], *offers, no_match_reason="no name in the text")
    result = suggest(connection, batch, match)
    assert result == SuggestionResult(batch_id=batch.batch_id, created=1, known=0, faults=[])
    row: tuple[object, ...] = ("no_match", None, None, None, "no name in the text", NOON)
    if expected is not None:
        place, score = expected
        reasons = [f"because {score}"]
        row = ("suggested", room.students[place], score, reasons, None, NOON)
    assert suggested(connection, batch.batch_id) == [row]
    assert events_of_batch(connection, batch.batch_id) == []


def test_the_first_suggestion_for_an_essay_stays(connection: Connection) -> None:
    room = make_room(connection)
    batch = make_batch(connection, room)
    first, second = batch.essays
    suggest(connection, batch, found(first, (room.students[0], 0.1)))
    before = suggested(connection, batch.batch_id)
    again = [found(essay, (room.students[1], 0.9)) for essay in (first, second)]
    result = suggest(connection, batch, *again, now=LATER)
    assert result == SuggestionResult(batch_id=batch.batch_id, created=1, known=1, faults=[])
    after = suggested(connection, batch.batch_id)
    assert after == [*before, ("suggested", room.students[1], 0.9, ["because 0.9"], None, LATER)]
    assert suggest(connection, batch, *again) == SuggestionResult(
        batch_id=batch.batch_id, created=0, known=2, faults=[]
    )
    assert suggested(connection, batch.batch_id) == after


def test_of_an_essay_that_is_named_twice_the_first_counts(connection: Connection) -> None:
    room = make_room(connection)
    batch = make_batch(connection, room)
    essay = batch.essays[0]
    result = suggest(
        connection,
        batch,
        found(essay, (room.students[0], 0.1)),
        found(essay, (room.students[1], 0.9)),
    )
    assert result == SuggestionResult(batch_id=batch.batch_id, created=1, known=0, faults=[])
    assert [row[1] for row in suggested(connection, batch.batch_id)] == [room.students[0]]


def test_a_bad_essay_spoils_only_itself(connection: Connection) -> None:
    room = make_room(connection)
    batch = make_batch(connection, room, ["assigned", "free", "failed", "assigned"])
    elsewhere = make_batch(connection, room, ["assigned"]).essays[0]
    bad = [*batch.textless, elsewhere, uuid4()]
    good = batch.essays
    matches = [found(essay, (room.students[0], 0.8)) for essay in (bad[0], *good, *bad[1:])]
    result = suggest(connection, batch, *matches)
    assert result == SuggestionResult(
        batch_id=batch.batch_id,
        created=2,
        known=0,
        faults=[
            EssayFault(
                essay_id=essay,
                code=ErrorCode.ESSAY_NOT_IN_BATCH,
                message="The batch has no text for this essay",
            )
            for essay in sorted(bad)
        ],
    )
    assert rows(connection, batch.batch_id).keys() == set(good)


def test_only_bad_essays_leave_nothing_behind(connection: Connection) -> None:
    batch = make_batch(connection, make_room(connection))
    result = suggest(connection, batch, found(STRANGER))
    assert isinstance(result, SuggestionResult)
    assert (result.created, len(result.faults)) == (0, 1)
    assert rows(connection, batch.batch_id) == {}


def test_what_a_teacher_decided_before_is_known(connection: Connection) -> None:
    room = make_room(connection)
    batch = make_batch(connection, room)
    confirm(connection, batch.batch_id, {batch.essays[0]: room.students[2]})
    before = rows(connection, batch.batch_id)
    result = suggest(connection, batch, found(batch.essays[0], (room.students[0], 0.9)))
    assert result == SuggestionResult(batch_id=batch.batch_id, created=0, known=1, faults=[])
    assert rows(connection, batch.batch_id) == before


def test_suggestions_are_refused_that_are_not_for_a_batch_of_this_class(
    connection: Connection,
) -> None:
    room, other = make_room(connection), make_room(connection)
    batch, guests = make_batch(connection, room), make_guest_batch(connection)

    def of(batch_id: UUID, class_id: UUID) -> Result:
        match = found(batch.essays[0], (room.students[0], 0.8))
        command = {"actor": "matcher", "batch_id": batch_id, "class_id": class_id}
        given = commands.SuggestAssociations.model_validate({**command, "matches": [match]})
        return handle(connection, given)

    refused(of(STRANGER, room.class_id), ErrorCode.NOT_FOUND, batch_id=str(STRANGER))
    refused(of(guests, room.class_id), ErrorCode.BATCH_NOT_REGULAR, batch_id=str(guests))
    refused(
        of(batch.batch_id, other.class_id),
        ErrorCode.CLASS_NOT_FOUND,
        class_ids=[str(other.class_id)],
    )
    assert rows(connection, batch.batch_id) == {}
