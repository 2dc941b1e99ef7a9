"""A batch whose last slot is taken: what is marked and told, in which order, once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

import outbox_school
from outbox_school.commands import CreateClass
from tests.domain.rule_cases import CORRELATION, NOON
from tests.domain.school_rows import ANNA, WrittenEvent, events, number, succeeds
from tests.domain.upload_events import (
    completed,
    excess_provisioned,
    failed_file,
    slot_assigned,
    validation_errors,
)
from tests.domain.uploads import BATCH, broken, essay, registration, text, uploads

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from outbox_school.commands import AnyCommand
    from tests.domain.school_rows import Connection

CLASS: Final = number(50)
FAILED: Final = [failed_file(2, 1, "CONTENT_TOO_LONG", "900 pages"), failed_file(3, 3)]
FIRST: Final = [failed_file(1, 1)]


@pytest.fixture
def connection(undone: Connection) -> Connection:
    """Nothing that these tests write stays."""
    return undone


HISTORIES: Final[Mapping[str, tuple[Sequence[AnyCommand], Sequence[WrittenEvent]]]] = {
    "one text": (
        [registration(1), text(1)],
        [slot_assigned(1, 1), completed({1: 1})],
    ),
    "texts in the order of their slots": (
        [registration(3), text(7), text(5), text(6)],
        [
            slot_assigned(7, 1),
            slot_assigned(5, 2),
            slot_assigned(6, 3),
            completed({7: 1, 5: 2, 6: 3}),
        ],
    ),
    "a text and failed files": (
        [
            registration(3),
            broken(2, code="CONTENT_TOO_LONG", validation_error_detail="900 pages"),
            text(1),
            broken(3),
        ],
        [
            slot_assigned(1, 2),
            completed({1: 2}, FAILED),
            validation_errors(FAILED, {"CONTENT_TOO_LONG": 1, "EMPTY_CONTENT": 1}, critical=False),
        ],
    ),
    "a text that comes last goes before the completion": (
        [registration(2), broken(1), text(2)],
        [
            slot_assigned(2, 2),
            completed({2: 2}, FIRST),
            validation_errors(FIRST, {"EMPTY_CONTENT": 1}, critical=False),
        ],
    ),
    "nothing but failed files is critical": (
        [registration(2), broken(1), broken(2)],
        [
            completed({}, [failed_file(1, 1), failed_file(2, 2)]),
            validation_errors(
                [failed_file(1, 1), failed_file(2, 2)], {"EMPTY_CONTENT": 2}, critical=True
            ),
        ],
    ),
    "what comes afterwards changes nothing": (
        [registration(1), text(1), text(2), broken(3), text(1), registration(1)],
        [slot_assigned(1, 1), completed({1: 1}), excess_provisioned(2)],
    ),
}


@pytest.mark.parametrize("name", HISTORIES)
def test_a_full_batch_is_told_once_after_its_slots(connection: Connection, name: str) -> None:
    history, told = HISTORIES[name]
    for each in history:
        succeeds(outbox_school.handle(connection, each, now=NOON))
    assert events(connection) == list(told)


def test_a_guest_batch_is_completed_with_its_last_slot(connection: Connection) -> None:
    for each in (registration(2), text(1)):
        succeeds(outbox_school.handle(connection, each, now=NOON))
    assert uploads(connection).tally == {("GUEST", 1, 0)}
    succeeds(outbox_school.handle(connection, text(2), now=NOON))
    view = outbox_school.reads.get_batch(connection, ANNA, BATCH)
    assert view is not None
    assert (view.status, view.provisioned_at, view.completed_at) == ("completed", NOON, NOON)
    assert uploads(connection).tally == {("GUEST", 0, 1)}


def make_class(connection: Connection) -> None:
    made = CreateClass(actor=ANNA, class_id=CLASS, name="9B", course_codes=["SV1"])
    succeeds(outbox_school.handle(connection, made))


def told_of_the_batch(connection: Connection) -> list[WrittenEvent]:
    return [each for each in events(connection) if each.key == str(BATCH)]


def test_a_regular_batch_waits_for_its_associations(connection: Connection) -> None:
    make_class(connection)
    for each in (registration(1, class_id=CLASS), text(1)):
        succeeds(outbox_school.handle(connection, each, now=NOON))
    assert told_of_the_batch(connection) == [
        slot_assigned(1, 1),
        completed({1: 1}, class_id=CLASS),
    ]
    view = outbox_school.reads.get_batch(connection, ANNA, BATCH)
    assert view is not None
    assert (view.status, view.provisioned_at) == ("awaiting_associations", NOON)
    assert view.completed_at is None
    assert uploads(connection).tally == {("REGULAR", 1, 0)}


def test_a_regular_batch_in_which_nothing_is_to_be_decided_is_ready_at_once(
    connection: Connection,
) -> None:
    make_class(connection)
    for each in (registration(1, class_id=CLASS), broken(1)):
        succeeds(outbox_school.handle(connection, each, now=NOON))
    gone = [failed_file(1, 1)]
    told = told_of_the_batch(connection)
    assert told[:2] == [
        completed({}, gone, class_id=CLASS),
        validation_errors(gone, {"EMPTY_CONTENT": 1}, critical=True),
    ]
    assert [each.type for each in told[2:]] == [
        "class.student.associations.confirmed.v1",
        "els.batch.essays.ready.v1",
    ]
    view = outbox_school.reads.get_batch(connection, ANNA, BATCH)
    assert view is not None
    assert (view.status, view.completed_at) == ("completed", NOON)
    assert uploads(connection).tally == {("REGULAR", 0, 1)}


def test_completion_carries_what_was_registered_whoever_took_the_last_slot(
    connection: Connection,
) -> None:
    command = registration(essay_ids=[essay(1)], user_id="cecilia", course_code="ENG7")
    for each in (command, text(1, correlation_id=number(77))):
        succeeds(outbox_school.handle(connection, each, now=NOON))
    last = events(connection)[-1]
    assert last.headers == {"correlation-id": str(CORRELATION)}
    assert (last.payload["user_id"], last.payload["course_code"]) == ("cecilia", "ENG7")


def test_the_prefix_of_topics_is_that_of_the_caller(connection: Connection) -> None:
    succeeds(outbox_school.handle(connection, registration(1)))
    succeeds(outbox_school.handle(connection, text(1), topic_prefix="test."))
    assert [each.topic for each in events(connection)] == [
        "test.els.essay.slot.assigned.v1",
        "test.batch.content.provisioning.completed.v1",
    ]
