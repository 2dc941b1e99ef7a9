"""Statements about batches use their indexes, whatever there is beside: time does not grow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import UUID

import pytest

import outbox_school
from outbox_school.statements import sql
from outbox_worker.commands.sessions import OPTIONS
from outbox_worker.postgres import database as connections
from tests.domain.rule_cases import NOON
from tests.domain.school_rows import ANNA, number, succeeds
from tests.domain.uploads import registration, text
from tests.harness.waiting import patient

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.domain.school_rows import Connection

pytestmark = [pytest.mark.slow, pytest.mark.timeout(patient(600))]

BATCHES: Final = 100_000
LARGE: Final = number(BATCHES + 1)
"""A batch of 1,000 slots, half of them taken."""

EARLY: Final = number(BATCHES + 2)
"""No batch; 1,000 texts and as many failed files wait for it, among those of other ones."""

SEED: Final[Mapping[str, str]] = {
    "batches": """
        INSERT INTO school.batch (batch_id, owner, course_code, class_type, expected_count,
                                  correlation_id, registered_at, provisioned_at, completed_at)
        SELECT id(n), 'owner ' || n %% 1000, 'SV1', 'GUEST', 2, id(n), now() - n * interval '1 s',
               now(), now()
        FROM generate_series(1, %(batches)s) AS n""",
    "gates": "INSERT INTO school.batch_gate (batch_id) SELECT batch_id FROM school.batch",
    "slots": """
        INSERT INTO school.slot (batch_id, position, essay_id, status, text_storage_id,
                                 file_upload_id)
        SELECT id(n), m, id(m), 'assigned', 'text-' || m, 'upload-' || m
        FROM generate_series(1, %(batches)s) AS n, generate_series(1, 2) AS m""",
    "content": """
        INSERT INTO school.content (batch_id, text_storage_id, status, essay_id, file_upload_id,
                                    original_file_name, file_size_bytes, correlation_id)
        SELECT id(n), 'text-' || m, 'assigned', id(m), 'upload-' || m, 'name', 1, id(n)
        FROM generate_series(1, %(batches)s) AS n, generate_series(1, 2) AS m
        UNION ALL
        SELECT id(%(batches)s + 2 + greatest(0, m - 1000)), 'text-' || m, 'pending', NULL, 'upload',
               'name', 1, id(m)
        FROM generate_series(1, 30000) AS m""",
    "failures": """
        INSERT INTO school.failure (batch_id, file_upload_id, status, essay_id,
                                    original_file_name, code, correlation_id)
        SELECT id(n), 'file', 'failed', id(1), 'name', 'EMPTY_CONTENT', id(n)
        FROM generate_series(1, %(batches)s, 10) AS n
        UNION ALL
        SELECT id(%(batches)s + 2 + greatest(0, m - 1000)), 'file-' || m, 'pending', NULL, 'name',
               'EMPTY_CONTENT', id(m)
        FROM generate_series(1, 30000) AS m""",
}
ID: Final = """
CREATE FUNCTION id(n integer) RETURNS uuid LANGUAGE sql
RETURN lpad(to_hex(n), 32, '0')::uuid"""

USE: Final = {
    "status": "assigned",
    "text_storage_id": "new",
    "file_upload_id": "new",
    "now": NOON,
}
TEXT: Final = {"batch_id": LARGE, "text_storage_id": "text-1"}
FILE: Final = {"batch_id": LARGE, "file_upload_id": "upload-1"}
CASES: Final[Mapping[str, Mapping[str, object]]] = {
    "batch/find_batch": {"batch_id": LARGE, "owner": ANNA},
    "batch/find_registered": {"batch_id": LARGE},
    "batch/list_batches": {
        "owner": "owner 7",
        "registered_at": None,
        "batch_id": None,
        "rows": 21,
    },
    "batch/lock_gate": {"batch_id": LARGE},
    "batch/mark_provisioned": {"batch_id": LARGE, "now": NOON},
    "content/find_content": TEXT,
    "content/lock_early": {"batch_id": EARLY},
    "content/settle_content": {**TEXT, "essay_id": UUID(int=1)},
    "content/settle_early": {
        "batch_id": EARLY,
        "text_storage_ids": ["text-1", "text-2"],
        "essay_ids": [UUID(int=1), None],
    },
    "failure/find_failure": FILE,
    "failure/lock_early": {"batch_id": EARLY},
    "failure/settle_failure": {**FILE, "essay_id": UUID(int=1)},
    "failure/settle_early": {
        "batch_id": EARLY,
        "file_upload_ids": ["file-1", "file-2"],
        "essay_ids": [UUID(int=1), None],
    },
    "slot/claim_slot": {"batch_id": LARGE, **USE},
    "slot/find_free_slot": {"batch_id": LARGE},
    "slot/list_slots": {"batch_id": LARGE, "owner": ANNA},
    "slot/list_taken": {"batch_id": LARGE},
    "slot/lock_free_slots": {"batch_id": LARGE},
    "slot/lock_spare_slot": {"batch_id": LARGE},
    "slot/take_slots": {
        "batch_id": LARGE,
        "positions": [1, 2],
        "statuses": ["assigned", "failed"],
        "text_storage_ids": ["new", None],
        "file_upload_ids": ["a", "b"],
        "now": NOON,
    },
    "slot/wait_for_slot": {"batch_id": LARGE, "position": 700, **USE},
}
SESSIONS: Final[Mapping[str, Mapping[str, str]]] = {
    "the executor's": OPTIONS,
    "a service's": {},
    "a service's after some time": {"plan_cache_mode": "force_generic_plan"},
}


@pytest.fixture(scope="module")
def seeded(migrated_database_url: str) -> str:
    """The URL of a database with 100,000 batches and a large one."""
    with connections.connect(migrated_database_url, application="tests") as link:
        link.execute("SET search_path = public")
        link.execute(ID)
        for statement in SEED.values():
            link.execute(statement, {"batches": BATCHES}, prepare=False)
        succeeds(outbox_school.handle(link, registration(1_000, LARGE)))
        with link.transaction():
            for name in range(500):
                succeeds(outbox_school.handle(link, text(name, LARGE)))
        for table in ("batch", "batch_gate", "slot", "content", "failure"):
            link.execute(f"VACUUM ANALYZE school.{table}", prepare=False)
    return migrated_database_url


@pytest.fixture(params=SESSIONS)
def session(seeded: str, request: pytest.FixtureRequest) -> Iterator[Connection]:
    with connections.connect(seeded, application="tests", options=SESSIONS[request.param]) as link:
        yield link


def plan(link: Connection, name: str) -> str:
    """How the statement is carried out, and with how many pages in hand; nothing stays of it."""
    order = b"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, SUMMARY OFF) "
    with link.transaction(force_rollback=True):
        rows = link.execute(order + sql.load(name), CASES[name]).fetchall()
    return "\n".join(row[0] for row in rows)


def test_every_statement_that_names_an_index_is_looked_at() -> None:
    folders = ("batch/", "slot/", "content/", "failure/")
    named = {name for name in sql.names() if name.startswith(folders) and sql.index_of(name)}
    # Insertions find their conflict over the index that the constraint is.
    assert named - {"content/insert_content", "failure/insert_failure"} == CASES.keys()


@pytest.mark.parametrize("name", CASES)
def test_a_statement_uses_the_indexes_of_its_header_and_reads_no_table_as_a_whole(
    session: Connection, name: str
) -> None:
    found = plan(session, name)
    assert [index for index in sql.index_of(name) if index not in found] == [], found
    assert "Seq Scan" not in found, found


@pytest.mark.parametrize(
    "name", ["slot/claim_slot", "slot/find_free_slot", "slot/lock_spare_slot", "slot/wait_for_slot"]
)
def test_a_claim_looks_at_the_lowest_slot_and_no_further(session: Connection, name: str) -> None:
    found = plan(session, name)
    assert "Sort" not in found, found
    assert "Rows Removed" not in found, found
    hits = [line.partition("shared hit=")[2] for line in found.splitlines() if "Buffers" in line]
    assert int(hits[0].split()[0]) < 60, found
