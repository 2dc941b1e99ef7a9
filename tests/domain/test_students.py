"""Students: each rule, each error with its details, each event with its exact payload."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import outbox_school
from tests.domain.rule_cases import Case, check
from tests.domain.school_rows import (
    ANNA,
    events,
    number,
    school_rows,
    succeeds,
)
from tests.domain.student_cases import (
    CREATING,
    DELETING,
    ENROLLED,
    ONE,
    OTHER,
    STUDENT,
    THREE,
    TWO,
    UPDATING,
    create,
    delete,
    update,
)

if TYPE_CHECKING:
    from tests.domain.school_rows import Connection


@pytest.mark.parametrize("case", CREATING.values(), ids=CREATING)
def test_each_rule_of_creation(connection: Connection, case: Case) -> None:
    check(connection, case)


@pytest.mark.parametrize("case", UPDATING.values(), ids=UPDATING)
def test_each_rule_of_change(connection: Connection, case: Case) -> None:
    check(connection, case)


@pytest.mark.parametrize("case", DELETING.values(), ids=DELETING)
def test_each_rule_of_deletion(connection: Connection, case: Case) -> None:
    check(connection, case)


def test_a_change_is_kept_whole(connection: Connection) -> None:
    for command in (*ENROLLED, create(student_id=OTHER, class_ids=[ONE])):
        succeeds(outbox_school.handle(connection, command))
    change = update(
        first_name="Eva",
        legal_full_name="Eva E. Ek",
        email=None,
        add_class_ids=[TWO],
        remove_class_ids=[ONE],
    )
    succeeds(outbox_school.handle(connection, change))
    rows = school_rows(connection)
    assert (STUDENT, ANNA, "Eva", "Ek", "Eva E. Ek", None) in rows.students
    assert rows.enrolments == {(TWO, STUDENT), (ONE, OTHER)}


def test_enrolments_go_with_a_student_and_classes_stay(connection: Connection) -> None:
    for command in (*ENROLLED, create(student_id=OTHER, class_ids=[ONE]), delete()):
        succeeds(outbox_school.handle(connection, command))
    rows = school_rows(connection)
    assert rows.enrolments == {(ONE, OTHER)}
    assert {row[0] for row in rows.classes} == {ONE, TWO, THREE}


def test_an_address_that_was_cleared_or_whose_student_is_gone_is_free(
    connection: Connection,
) -> None:
    for command in (
        create(email="ada@skola.se"),
        update(email=None),
        create(student_id=OTHER, email="Ada@skola.se"),
        delete(student_id=OTHER),
        update(email="ADA@skola.se"),
    ):
        succeeds(outbox_school.handle(connection, command))


def test_a_student_may_be_in_a_thousand_classes_at_once(connection: Connection) -> None:
    many = [number(1_000 + n) for n in range(1_000)]
    connection.execute(
        "INSERT INTO school.class (class_id, owner, name, course_code) "
        "SELECT unnest(%s::uuid[]), 'anna', 'many', 'SV1'",
        (many,),
    )
    succeeds(outbox_school.handle(connection, create(class_ids=many)))
    assert len(school_rows(connection).enrolments) == 1_000
    assert events(connection)[-1].payload["class_ids"] == [str(each) for each in many]
