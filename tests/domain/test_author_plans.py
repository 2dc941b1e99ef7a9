"""The statements about authors use their indexes, however many batches there are."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4

import pytest

from outbox_school.overdue import OPTIONS
from outbox_school.statements import sql
from outbox_worker.postgres import database as connections
from tests.domain.authors import DAY, NOON, TEACHER

if TYPE_CHECKING:
    from collections.abc import Mapping

CLASS: Final = UUID(int=1)

# The ids of batches and of essays are numbers; one batch in a hundred waits for its authors.
SEED: Final = """
INSERT INTO school.class (class_id, owner, name, course_code)
SELECT id(n), 'teacher', '9B', 'SV1' FROM generate_series(1, 1000) AS n;

INSERT INTO school.student (student_id, owner, first_name, last_name, legal_full_name)
SELECT id(n), 'teacher', 'Ada', n, 'Ada ' || n FROM generate_series(1, 30000) AS n;

INSERT INTO school.enrolment (class_id, student_id)
SELECT id(1 + n % 1000), id(n) FROM generate_series(1, 30000) AS n;

INSERT INTO school.batch (batch_id, owner, course_code, class_type, class_id, expected_count,
                          correlation_id, provisioned_at)
SELECT id(n), CASE WHEN n % 500 = 0 THEN 'teacher' ELSE 'owner ' || n % 500 END, 'SV1', 'REGULAR',
       id(1 + n % 1000), 10, id(n), now()
FROM generate_series(1, 5000) AS n;

INSERT INTO school.slot (batch_id, position, essay_id, status, text_storage_id, file_upload_id)
SELECT id(n), m, id(10 * n + m), 'assigned', m, m
FROM generate_series(1, 5000) AS n, generate_series(1, 10) AS m;

INSERT INTO school.association (batch_id, essay_id, status, suggested_student_id,
                                confidence_score, suggested_at, student_id, method)
SELECT batch_id, essay_id, CASE WHEN is_open THEN 'suggested' ELSE 'confirmed' END,
       id(1 + position), 0.9, '2030-05-17 12:00Z', CASE WHEN NOT is_open THEN id(1) END,
       CASE WHEN NOT is_open THEN 'human' END
FROM school.slot, LATERAL (SELECT right(batch_id::text, 2) = '00') AS found (is_open);

ANALYZE school.class, school.student, school.enrolment, school.batch, school.slot,
    school.association
"""

CASES: Final[Mapping[str, dict[str, object]]] = {
    "association/lock_batch": {"batch_id": UUID(int=1)},
    "association/list_assigned": {"batch_id": UUID(int=1), "essay_ids": [UUID(int=11)]},
    "association/list_enrolled": {"class_id": CLASS, "student_ids": [UUID(int=1), UUID(int=2)]},
    "association/decide_by_hand": {
        "batch_id": UUID(int=1),
        "essay_ids": [UUID(int=11)],
        "student_ids": [UUID(int=1)],
        "student_names": ["Ada"],
        "validated_by": TEACHER,
        "now": NOON,
    },
    "association/claim_overdue": {"until": NOON, "rows": 200},
    "association/decide_overdue": {
        "batch_ids": [uuid4() for _ in range(200)],
        "essay_ids": [UUID(int=11)] * 200,
        "class_ids": [CLASS] * 200,
        "min_score": 0.7,
        "validated_by": "timeout",
        "now": NOON + DAY,
    },
    "association/complete_batch": {"batch_id": UUID(int=100), "now": NOON + timedelta(1)},
    "association/list_authors": {"batch_id": UUID(int=1)},
    "association/lock_open_batches": {"owner": TEACHER},
    "association/erase_student": {"student_id": UUID(int=1), "owner": TEACHER},
}


ID: Final = """
CREATE FUNCTION id(n integer) RETURNS uuid LANGUAGE sql
RETURN lpad(n::text, 32, '0')::uuid
"""


OF_THE_WORKER: Final = frozenset({"association/claim_overdue", "association/decide_overdue"})
"""They run in its own sessions only, with its options."""


@pytest.fixture(scope="module")
def seeded(migrated_database_url: str) -> str:
    """The URL of a database with 50,000 essays."""
    with connections.connect(migrated_database_url, application="tests") as link:
        link.execute("SET search_path = public")
        link.execute(ID)
        link.execute(SEED, prepare=False)
    return migrated_database_url


def plan(url: str, name: str, options: Mapping[str, str]) -> str:
    """The plan of a statement in a session with these options."""
    with connections.connect(url, application="tests", options=options) as link:
        rows = link.execute(b"EXPLAIN (COSTS OFF) " + sql.load(name), CASES[name]).fetchall()
    return "\n".join(row[0] for row in rows)


def scanned(found: str) -> list[str]:
    """Tables that are read as a whole; there are six courses."""
    return [line for line in found.splitlines() if "Seq Scan" in line and "course" not in line]


@pytest.mark.parametrize("name", sorted(CASES.keys() - OF_THE_WORKER))
def test_a_statement_reads_no_table_as_a_whole_in_any_session(seeded: str, name: str) -> None:
    found = plan(seeded, name, {})
    assert scanned(found) == [], found


@pytest.mark.parametrize("name", CASES)
def test_a_statement_uses_the_indexes_of_its_header(seeded: str, name: str) -> None:
    found = plan(seeded, name, OPTIONS)
    assert [index for index in sql.index_of(name) if index not in found] == [], found
    assert scanned(found) == [], found


def test_the_claim_takes_the_oldest_without_a_sort(seeded: str) -> None:
    found = plan(seeded, "association/claim_overdue", OPTIONS)
    assert "Sort" not in found, found
