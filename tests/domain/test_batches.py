"""Registration of batches: what is written, what is refused, what came early; the reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import psycopg
import pytest
from pydantic_core import to_json

import outbox_school
from outbox_school.commands import CreateClass, DeleteClass, RegisterBatch
from outbox_school.handle import parse
from outbox_school.results import BatchResult, ClassResult, ErrorCode
from tests.domain.payloads import ENVELOPE, VALID, errors
from tests.domain.rule_cases import CORRELATION, NOON
from tests.domain.school_rows import ANNA, BO, events, number, refused, succeeds
from tests.domain.uploads import (
    BATCH,
    assigned,
    broken,
    essay,
    registered,
    registration,
    text,
    uploads,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from pydantic import JsonValue

    from outbox_worker.application import Refused
    from tests.domain.school_rows import Connection

CLASS: Final = number(50)
FULL: Final[dict[str, Any]] = {"org_id": "school-7", "student_prompt_ref": "prompt-9"}


@pytest.fixture
def connection(undone: Connection) -> Connection:
    """Nothing that these tests write stays."""
    return undone


def make_class(connection: Connection, owner: str = ANNA) -> None:
    made = CreateClass(actor=owner, class_id=CLASS, name="9B", course_codes=["SV1"])
    succeeds(outbox_school.handle(connection, made))


def essays_of(connection: Connection, batch_id: UUID = BATCH) -> list[UUID]:
    """The essays of a batch in the order of its slots."""
    return [each.essay_id for each in outbox_school.reads.get_slots(connection, ANNA, batch_id)]


def test_a_batch_has_its_slots_in_the_order_of_the_list(connection: Connection) -> None:
    ids = [essay(3), essay(1), essay(2)]
    assert outbox_school.handle(connection, registration(essay_ids=ids), now=NOON) == registered()
    rows = uploads(connection)
    assert rows.batches == {
        (BATCH, ANNA, "SV1", "GUEST", None, None, None, 3, CORRELATION, None, None)
    }
    assert rows.slots == {
        (BATCH, place, each, "free", None, None, None) for place, each in enumerate(ids, 1)
    }
    assert rows.tally == {("GUEST", 1, 0)}
    assert events(connection) == []


def test_a_count_makes_that_many_slots(connection: Connection) -> None:
    command = registration(essay_ids=None, expected_essay_count=1_000)
    assert outbox_school.handle(connection, command) == registered()
    assert len(set(essays_of(connection))) == 1_000


def test_a_batch_with_a_class_is_regular_and_keeps_what_it_is_told(connection: Connection) -> None:
    make_class(connection)
    command = registration(class_id=CLASS, expected_essay_count=2, **FULL)
    assert outbox_school.handle(connection, command) == registered()
    rows = uploads(connection)
    assert rows.batches == {
        (BATCH, ANNA, "SV1", "REGULAR", CLASS, *FULL.values(), 2, CORRELATION, None, None)
    }
    assert rows.tally == {("REGULAR", 1, 0)}


@pytest.mark.parametrize("owner", [None, BO])
def test_a_class_has_to_be_there_and_the_users(connection: Connection, owner: str | None) -> None:
    if owner:
        make_class(connection, owner)
    rows = uploads(connection)
    command = registration(class_id=CLASS)
    assert outbox_school.handle(connection, command) == refused(
        ErrorCode.CLASS_NOT_FOUND, "The user has no such class", class_ids=[str(CLASS)]
    )
    assert uploads(connection) == rows


def test_an_unknown_course_registers_nothing_of_the_batch(connection: Connection) -> None:
    succeeds(outbox_school.handle(connection, text(1)))
    rows = uploads(connection)
    assert outbox_school.handle(connection, registration(course_code="SV4")) == refused(
        ErrorCode.COURSE_NOT_FOUND, "There is no such course", course_codes=["SV4"]
    )
    assert uploads(connection) == rows
    # It may be corrected: what waited still does.
    succeeds(outbox_school.handle(connection, registration()))
    assert outbox_school.handle(connection, text(1)) == assigned(1, created=False)


SAME: Final[Mapping[str, tuple[RegisterBatch, RegisterBatch]]] = {
    "the same ids": (registration(3), registration(3)),
    "a count agrees with any list of that length": (
        registration(3),
        registration(essay_ids=None, expected_essay_count=3),
    ),
    "a list and its length": (registration(3), registration(3, expected_essay_count=3)),
    "a count again": (
        registration(essay_ids=None, expected_essay_count=3),
        registration(essay_ids=None, expected_essay_count=3),
    ),
    "everything": (registration(3, **FULL), registration(3, **FULL)),
    "another correlation, by another service": (
        registration(3),
        registration(3, actor="retry", correlation_id=number(7)),
    ),
}


@pytest.mark.parametrize("name", SAME)
def test_the_same_registration_again_writes_nothing(connection: Connection, name: str) -> None:
    first, again = SAME[name]
    assert outbox_school.handle(connection, first) == registered()
    succeeds(outbox_school.handle(connection, text(1)))
    rows, told = uploads(connection), events(connection)
    assert outbox_school.handle(connection, again) == registered(created=False)
    assert (uploads(connection), events(connection)) == (rows, told)


OTHER: Final[Mapping[str, tuple[RegisterBatch, list[str]]]] = {
    "other ids": (registration(essay_ids=[essay(1), essay(9)], **FULL), ["essay_ids"]),
    "another order": (registration(essay_ids=[essay(2), essay(1)], **FULL), ["essay_ids"]),
    "more ids": (registration(3, **FULL), ["essay_ids"]),
    "more ids and their count": (
        registration(3, expected_essay_count=3, **FULL),
        ["essay_ids", "expected_essay_count"],
    ),
    "another count": (
        registration(essay_ids=None, expected_essay_count=3, **FULL),
        ["expected_essay_count"],
    ),
    "another course": (registration(course_code="SV2", **FULL), ["course_code"]),
    "a class": (registration(class_id=CLASS, **FULL), ["class_id"]),
    "another organisation": (registration(**FULL | {"org_id": "school-8"}), ["org_id"]),
    "no organisation and no prompt": (registration(), ["org_id", "student_prompt_ref"]),
    "a course that there is not": (registration(course_code="X", **FULL), ["course_code"]),
    "another user, who learns no more": (
        registration(user_id=BO, course_code="SV2", essay_ids=[essay(9)]),
        ["user_id"],
    ),
}


@pytest.mark.parametrize("name", OTHER)
def test_another_registration_under_the_same_id_is_refused(
    connection: Connection, name: str
) -> None:
    other, fields = OTHER[name]
    succeeds(outbox_school.handle(connection, registration(**FULL)))
    rows = uploads(connection)
    assert outbox_school.handle(connection, other) == conflict(fields)
    assert uploads(connection) == rows


def conflict(fields: list[str]) -> Refused:
    return refused(
        ErrorCode.BATCH_CONFLICT,
        f"This batch_id is registered with other content: {', '.join(fields)}",
        batch_id=str(BATCH),
        fields=cast("JsonValue", fields),
    )


def test_a_regular_batch_again_without_its_class_is_another_one(connection: Connection) -> None:
    make_class(connection)
    succeeds(outbox_school.handle(connection, registration(class_id=CLASS)))
    assert outbox_school.handle(connection, registration()) == conflict(["class_id"])
    assert outbox_school.handle(connection, registration(class_id=CLASS)) == registered(
        created=False
    )


INVALID: Final[Mapping[str, tuple[dict[str, Any], str]]] = {
    "no ids": ({"essay_ids": []}, "essay_ids"),
    "neither ids nor a count": ({}, ""),
    "an id twice": ({"essay_ids": [str(essay(1))] * 2}, "essay_ids"),
    "a count that does not agree": (
        {"essay_ids": [str(essay(1))], "expected_essay_count": 2},
        "expected_essay_count",
    ),
    "a count of 0": ({"expected_essay_count": 0}, "expected_essay_count"),
    "a count of 1,001": ({"expected_essay_count": 1_001}, "expected_essay_count"),
    "1,001 ids": ({"essay_ids": [str(essay(n)) for n in range(1_001)]}, "essay_ids"),
}


@pytest.mark.parametrize("name", INVALID)
def test_there_are_1_to_1000_distinct_essays(name: str) -> None:
    given, path = INVALID[name]
    payload = {k: v for k, v in VALID["RegisterBatch"].items() if k != "expected_essay_count"}
    found = parse("RegisterBatch", to_json(payload | given), ENVELOPE)
    assert isinstance(found, outbox_school.Refused)
    assert found.code == ErrorCode.VALIDATION_ERROR
    assert [each["path"] for each in errors(found)] == [path]


def test_a_class_is_in_use_until_its_batch_is_completed(connection: Connection) -> None:
    make_class(connection)
    delete = DeleteClass(actor=ANNA, class_id=CLASS)
    succeeds(outbox_school.handle(connection, registration(1, class_id=CLASS)))
    assert outbox_school.handle(connection, delete) == refused(
        ErrorCode.CLASS_IN_USE, "A batch of this class is not completed", class_id=str(CLASS)
    )
    succeeds(outbox_school.handle(connection, broken(1)))
    assert outbox_school.handle(connection, delete) == ClassResult(class_id=CLASS)
    # A completed batch outlives its class, and is the same one still.
    command = registration(1, class_id=CLASS)
    assert outbox_school.handle(connection, command) == registered(created=False)


def test_a_batch_can_be_read_by_its_owner_and_nobody_else(connection: Connection) -> None:
    for each in (registration(3, **FULL), text(1), broken(2, code="CONTENT_TOO_SHORT")):
        succeeds(outbox_school.handle(connection, each, now=NOON))
    found = outbox_school.reads.get_batch(connection, ANNA, BATCH)
    assert found is not None
    view = found._asdict()
    assert view.pop("registered_at") is not None
    assert view == {
        "batch_id": BATCH,
        "user_id": ANNA,
        "course_code": "SV1",
        "class_type": "GUEST",
        "class_id": None,
        **FULL,
        "expected_count": 3,
        "assigned_count": 1,
        "failed_count": 1,
        "status": "awaiting_content",
        "correlation_id": CORRELATION,
        "provisioned_at": None,
        "completed_at": None,
    }
    slots = outbox_school.reads.get_slots(connection, ANNA, BATCH)
    assert [tuple(each)[:7] for each in slots] == [
        (1, essay(1), "assigned", "text-1", "upload-1", "essay 1.docx", None),
        (2, essay(2), "failed", None, "upload-2", "essay 2.docx", "CONTENT_TOO_SHORT"),
        (3, essay(3), "free", None, None, None, None),
    ]
    assert [tuple(each)[7:] for each in slots] == [
        (None, None, None, None, taken_at) for taken_at in (NOON, NOON, None)
    ]
    assert outbox_school.reads.get_batch(connection, BO, BATCH) is None
    assert outbox_school.reads.get_slots(connection, BO, BATCH) == []
    assert outbox_school.reads.list_batches(connection, BO).items == []


def test_batches_are_listed_newest_first_page_by_page(connection: Connection) -> None:
    ids = [number(n) for n in range(1, 6)]
    for batch_id in ids:
        result = outbox_school.handle(connection, registration(1, batch_id))
        assert result == BatchResult(batch_id=batch_id, created=True)
    found: list[UUID] = []
    after = None
    while True:
        page = outbox_school.reads.list_batches(connection, ANNA, after=after, limit=2)
        found += [each.batch_id for each in page.items]
        after = page.next
        if after is None:
            break
    assert found == ids[::-1]


def test_a_service_that_may_do_no_more_than_the_domain_needs_can_fill_a_batch(
    connection: Connection,
) -> None:
    connection.execute("SET LOCAL ROLE outbox_domain")
    make_class(connection)
    for each in (text(1), registration(3, class_id=CLASS), broken(2), text(3), text(4), text(4)):
        succeeds(outbox_school.handle(connection, each))
    view = outbox_school.reads.get_batch(connection, ANNA, BATCH)
    assert view is not None
    assert view.status == "awaiting_associations"
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("DELETE FROM school.slot")
