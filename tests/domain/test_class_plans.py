"""The statements about classes and students use the indexes that their headers name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from outbox_school.statements import sql
from outbox_worker.postgres import database as connections
from tests.domain.school_rows import ANNA, number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.domain.school_rows import Connection

# Anna has every second class and student, 100 others have the rest.
SEED: Final = """
INSERT INTO school.class (class_id, owner, name, course_code)
SELECT lpad(n::text, 32, '0')::uuid,
       CASE WHEN n % 2 = 0 THEN 'anna' ELSE 'owner ' || n % 200 END, 'class', 'SV1'
FROM generate_series(0, 3999) AS n;

INSERT INTO school.student (student_id, owner, first_name, last_name, legal_full_name, email,
                            email_key)
SELECT lpad(n::text, 32, '0')::uuid,
       CASE WHEN n % 2 = 0 THEN 'anna' ELSE 'owner ' || n % 200 END,
       'Ada', n, 'Ada', n || '@b.se', n
FROM generate_series(0, 19999) AS n;

INSERT INTO school.enrolment (class_id, student_id)
SELECT lpad(((n + m * 200) % 4000)::text, 32, '0')::uuid, lpad(n::text, 32, '0')::uuid
FROM generate_series(0, 19999) AS n, generate_series(1, 2) AS m;

INSERT INTO school.batch (batch_id, owner, course_code, class_type, class_id, expected_count,
                          correlation_id)
SELECT id, 'owner', 'SV1', 'REGULAR', id, 1, id
FROM generate_series(0, 3999) AS n, LATERAL (SELECT lpad(n::text, 32, '0')::uuid) AS row (id);

ANALYZE school.class, school.student, school.enrolment, school.batch
"""

PAGE: Final = {"owner": ANNA, "created_at": "2030-01-01Z", "rows": 21}
ONE, SOME = number(2), [number(n) for n in (2, 4, 6, 8)]
CASES: Final[Mapping[str, dict[str, Any]]] = {
    "school_class/lock_class": {"class_id": ONE, "owner": ANNA},
    "school_class/lock_class_to_delete": {"class_id": ONE, "owner": ANNA},
    "school_class/update_class": {"class_id": ONE, "name": "9B", "course_code": "SV1"},
    "school_class/delete_class": {"class_id": ONE},
    "school_class/lock_owned_classes": {"class_ids": SOME, "owner": ANNA},
    "school_class/lock_classes_of_student": {"student_id": ONE},
    "school_class/lock_classes_to_erase": {"student_id": ONE},
    "school_class/find_class": {"class_id": ONE, "owner": ANNA},
    "school_class/list_classes": {**PAGE, "class_id": ONE},
    "school_class/list_roster": {"class_id": ONE, "owner": ANNA},
    "student/lock_student": {"student_id": ONE, "owner": ANNA},
    "student/update_student": {
        "student_id": ONE,
        "first_name": "Ada",
        "last_name": "Ek",
        "legal_full_name": "Ada Ek",
        "email": "ada@skola.se",
        "email_key": "ada@skola.se",
    },
    "student/delete_student": {"student_id": ONE},
    "student/find_student": {"student_id": ONE, "owner": ANNA},
    "student/list_students": {**PAGE, "student_id": ONE},
    "enrolment/delete_enrolments": {"student_id": ONE, "class_ids": SOME},
}


@pytest.fixture(scope="module")
def seeded(migrated_database_url: str) -> Iterator[Connection]:
    """A database with 20,000 students."""
    with connections.connect(migrated_database_url, application="tests") as link:
        link.execute(SEED, prepare=False)
        yield link


def test_every_statement_about_classes_and_students_that_names_an_index_is_looked_at() -> None:
    folders = ("school_class/", "student/", "enrolment/")
    named = {name for name in sql.names() if name.startswith(folders) and sql.index_of(name)}
    assert named == CASES.keys()


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
def test_a_statement_uses_the_indexes_of_its_header(
    seeded: Connection, name: str, mode: str
) -> None:
    with seeded.transaction(force_rollback=True):
        seeded.execute("SELECT set_config('plan_cache_mode', %s, true)", (mode,))
        rows = seeded.execute(b"EXPLAIN (COSTS OFF) " + sql.load(name), CASES[name]).fetchall()
    plan = "\n".join(row[0] for row in rows)
    assert [index for index in sql.index_of(name) if index not in plan] == [], plan
    read_whole = [line for line in plan.splitlines() if "Seq Scan" in line]
    assert [line for line in read_whole if "course" not in line] == [], plan


@pytest.mark.parametrize("name", ["school_class/list_classes", "student/list_students"])
def test_a_page_comes_from_its_index_without_a_sort(seeded: Connection, name: str) -> None:
    rows = seeded.execute(b"EXPLAIN (COSTS OFF) " + sql.load(name), CASES[name]).fetchall()
    plan = "\n".join(row[0] for row in rows)
    assert "Sort" not in plan.replace("Presorted", ""), plan
    assert "ROW(created_at" in plan, plan
