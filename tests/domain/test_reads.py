"""What can be read: pages without gaps, the roster in its order, nothing of somebody else."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest
from psycopg.rows import dict_row

import outbox_school
from outbox_school.commands import CreateClass, CreateStudent, DeleteClass
from outbox_school.reads import Page, PageEnd
from tests.domain.school_rows import ANNA, BO, number, succeeds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from tests.domain.school_rows import Connection

CLASS: Final = number(1)
STUDENT: Final = number(2)
NOON: Final = datetime(2030, 5, 17, 12, tzinfo=UTC)

INSERT_CLASSES: Final = """
INSERT INTO school.class (class_id, owner, name, course_code, created_at)
SELECT id, %(owner)s, 'class', 'SV1', at FROM unnest(%(ids)s::uuid[], %(at)s::timestamptz[])
       AS given (id, at)"""
INSERT_STUDENTS: Final = """
INSERT INTO school.student (student_id, owner, first_name, last_name, legal_full_name, created_at)
SELECT id, %(owner)s, 'Ada', 'Ek', 'Ada Ek', at
FROM unnest(%(ids)s::uuid[], %(at)s::timestamptz[]) AS given (id, at)"""

Listing = tuple[str, str, "Callable[..., Page[Any]]"]
LISTINGS: Final = {
    "classes": (INSERT_CLASSES, "class_id", outbox_school.reads.list_classes),
    "students": (INSERT_STUDENTS, "student_id", outbox_school.reads.list_students),
}


def room(**fields: object) -> CreateClass:
    given = {"actor": ANNA, "class_id": CLASS, "name": "9B", "course_codes": ["ENG6"], **fields}
    return CreateClass.model_validate(given)


def pupil(**fields: object) -> CreateStudent:
    given = {"actor": ANNA, "first_name": "Ada", "last_name": "Ek", **fields}
    return CreateStudent.model_validate(given)


def execute(connection: Connection, *commands: outbox_school.commands.AnyCommand) -> None:
    for command in commands:
        succeeds(outbox_school.handle(connection, command))


def fill(
    connection: Connection, listing: Listing, moments: Sequence[datetime], owner: str = ANNA
) -> list[UUID]:
    """Rows of an owner with these times of creation; their ids, newest first, then by id."""
    start = 0 if owner == ANNA else 1_000
    ids = [number(start + n) for n in range(1, len(moments) + 1)]
    connection.execute(listing[0], {"owner": owner, "ids": ids, "at": list(moments)})
    rows = sorted(zip(moments, ids, strict=True), reverse=True)
    return [row[1] for row in rows]


def walk(
    connection: Connection, listing: Listing, limit: int, owner: str = ANNA
) -> list[list[UUID]]:
    """The ids of all pages, from the first to the last."""
    _, name, read = listing
    pages: list[list[UUID]] = []
    after: PageEnd | None = None
    while True:
        page = read(connection, owner, after=after, limit=limit)
        pages.append([getattr(item, name) for item in page.items])
        if page.next is None:
            return pages
        after = page.next


def test_a_class_is_read_whole(connection: Connection) -> None:
    execute(connection, room(), pupil(class_ids=[CLASS]), pupil(class_ids=[CLASS]), pupil())
    view = outbox_school.reads.get_class(connection, ANNA, CLASS)
    assert view
    assert view._replace(created_at=NOON, updated_at=NOON) == (
        *(CLASS, ANNA, "9B", "ENG6", "English 6", "en", 2),
        *(NOON, NOON),
    )
    assert view.created_at.utcoffset() is not None


def test_a_student_is_read_with_its_classes(connection: Connection) -> None:
    other = number(9)
    execute(connection, room(), room(class_id=other))
    execute(connection, pupil(student_id=STUDENT, email="ada@skola.se", class_ids=[other, CLASS]))
    view = outbox_school.reads.get_student(connection, ANNA, STUDENT)
    assert view
    assert view._replace(created_at=NOON, updated_at=NOON) == (
        *(STUDENT, ANNA, "Ada", "Ek", "Ada Ek", "ada@skola.se", [CLASS, other]),
        *(NOON, NOON),
    )
    execute(connection, DeleteClass(actor=ANNA, class_id=other))
    view = outbox_school.reads.get_student(connection, ANNA, STUDENT)
    assert view
    assert view.class_ids == [CLASS]


def test_nothing_of_somebody_else_is_read(connection: Connection) -> None:
    execute(connection, room(), pupil(student_id=STUDENT, class_ids=[CLASS]))
    absent = number(99)
    for class_id, student_id in ((CLASS, STUDENT), (absent, absent)):
        assert outbox_school.reads.get_class(connection, BO, class_id) is None
        assert outbox_school.reads.get_student(connection, BO, student_id) is None
        assert outbox_school.reads.get_roster(connection, BO, class_id) == []
    assert outbox_school.reads.list_classes(connection, BO) == Page([], None)
    assert outbox_school.reads.list_students(connection, BO) == Page([], None)


def test_a_roster_is_in_order_of_last_name_first_name_and_id(connection: Connection) -> None:
    names = [("Ek", "Bo"), ("Al", "Cia"), ("Ek", "Ada"), ("Ek", "Bo"), ("Al", "Bea"), ("Ö", "A")]
    execute(connection, room())
    for n, (last, first) in enumerate(names):
        student_id = number(100 - n)
        execute(
            connection,
            pupil(student_id=student_id, last_name=last, first_name=first, class_ids=[CLASS]),
        )
    execute(connection, pupil(last_name="Not", first_name="Enrolled"))
    roster = outbox_school.reads.get_roster(connection, ANNA, CLASS)
    expected = sorted((last, first, number(100 - n)) for n, (last, first) in enumerate(names))
    assert [(row.last_name, row.first_name, row.student_id) for row in roster] == expected
    assert {row.email for row in roster} == {None}
    assert roster[0].legal_full_name == "Bea Al"


@pytest.mark.parametrize("listing", LISTINGS.values(), ids=LISTINGS)
def test_pages_hold_every_row_once_newest_first(connection: Connection, listing: Listing) -> None:
    day = [datetime(2030, 5, n, 12, tzinfo=UTC) for n in range(1, 4)]
    moments = [day[0], day[1], day[1], day[2], day[1], day[0], day[2]]
    ids = fill(connection, listing, moments)
    fill(connection, listing, moments, BO)
    for limit in (1, 2, 3, 4, 6, 7, 8, 100):
        pages = walk(connection, listing, limit)
        assert [each for page in pages for each in page] == ids
        assert {len(page) for page in pages[:-1]} <= {limit}
        assert len(pages) == -(-len(ids) // limit)


@pytest.mark.parametrize("listing", LISTINGS.values(), ids=LISTINGS)
def test_rows_of_one_moment_are_told_apart_by_their_id(
    connection: Connection, listing: Listing
) -> None:
    ids = fill(connection, listing, [NOON] * 9)
    assert ids == [number(n) for n in range(9, 0, -1)]
    assert [each for page in walk(connection, listing, 2) for each in page] == ids


@pytest.mark.parametrize("listing", LISTINGS.values(), ids=LISTINGS)
def test_microseconds_lose_nothing_between_pages(connection: Connection, listing: Listing) -> None:
    moments = [NOON.replace(microsecond=n) for n in (999_999, 1, 0, 2)]
    ids = fill(connection, listing, moments)
    assert walk(connection, listing, 1) == [[each] for each in ids]


@pytest.mark.parametrize("listing", LISTINGS.values(), ids=LISTINGS)
def test_a_page_holds_20_rows_where_nothing_is_said(
    connection: Connection, listing: Listing
) -> None:
    ids = fill(connection, listing, [NOON] * 21)
    page = listing[2](connection, ANNA)
    assert [getattr(item, listing[1]) for item in page.items] == ids[:20]
    assert page.next == PageEnd(NOON, ids[19])


@pytest.mark.parametrize("listing", LISTINGS.values(), ids=LISTINGS)
def test_what_comes_or_goes_between_pages_moves_no_other_row(
    connection: Connection, listing: Listing
) -> None:
    moments = [datetime(2030, 5, n, tzinfo=UTC) for n in range(1, 7)]
    ids = fill(connection, listing, moments)
    _, name, read = listing
    first = read(connection, ANNA, limit=2)
    connection.execute("DELETE FROM school.class")
    connection.execute("DELETE FROM school.student")
    fill(connection, listing, [*moments, datetime(2030, 6, 1, tzinfo=UTC)])
    second = read(connection, ANNA, after=first.next, limit=2)
    assert [getattr(item, name) for item in second.items] == ids[2:4]


@pytest.mark.parametrize("listing", LISTINGS.values(), ids=LISTINGS)
def test_a_limit_outside_1_to_100_is_an_error_of_the_caller(
    connection: Connection, listing: Listing
) -> None:
    for limit in (-1, 0, 101, 10**20):
        with pytest.raises(ValueError, match="limit is 1 to 100"):
            listing[2](connection, ANNA, limit=limit)
    assert listing[2](connection, ANNA, limit=100) == Page([], None)


def test_reads_and_commands_do_not_depend_on_the_rows_that_a_caller_likes(database: str) -> None:
    with psycopg.connect(database, row_factory=dict_row) as link:
        execute(link, room(), pupil(student_id=STUDENT, class_ids=[CLASS]))
        assert outbox_school.reads.get_class(link, ANNA, CLASS)
        assert outbox_school.reads.get_student(link, ANNA, STUDENT)
        assert outbox_school.reads.get_roster(link, ANNA, CLASS)[0].student_id == STUDENT
        assert len(outbox_school.reads.list_classes(link, ANNA).items) == 1
        execute(link, DeleteClass(actor=ANNA, class_id=CLASS))


def test_the_views_for_other_languages_show_the_same(connection: Connection) -> None:
    execute(connection, room(), pupil(student_id=STUDENT, class_ids=[CLASS]))
    found = connection.execute(
        "SELECT class.class_id, class.student_count, student.class_ids, roster.student_id "
        "FROM domain.class JOIN domain.roster USING (class_id, user_id) "
        "JOIN domain.student USING (student_id, user_id) WHERE user_id = %s",
        (ANNA,),
    ).fetchall()
    assert found == [(CLASS, 1, [CLASS], STUDENT)]
