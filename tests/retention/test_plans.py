"""Each statement of retention walks the indexes of its header, on tables known or not."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest

from outbox_school.statements import sql as school
from outbox_worker.postgres import database as connections
from outbox_worker.purge import finished
from outbox_worker.stores.loader import sql as engine
from tests.retention.load import Load
from tests.sql.test_statements import numbered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from outbox_worker.stores import Connection

NOW: Final = datetime.now(UTC)
BATCH_IDS: Final = [f"00000000-0000-0000-0000-{n:012}" for n in range(200)]
TEXTS: Final = [f"text {n}" for n in range(200)]
VALUES: Final[dict[str, Any]] = {
    "class_type": "GUEST",
    "after": NOW - timedelta(days=99),
    "before": NOW - timedelta(days=1),
    "batches": 100,
    "slots": 2_000,
    "rows": 500,
    "batch_ids": BATCH_IDS,
    "text_storage_ids": TEXTS,
    "file_upload_ids": TEXTS,
}
SETS: Final = {
    name: each
    for each in (engine, school)
    for name in each.names()
    if name.startswith(("retention/", "finished/"))
}
NAMES: Final = list(SETS)

BY_BATCH: Final = [name for name in NAMES if b"= ANY(%(batch_ids)s" in SETS[name].load(name)]


@pytest.fixture(scope="module", params=["never analysed", "analysed"])
def loaded(
    request: pytest.FixtureRequest, postgres: object, migrated_database_url: str
) -> Iterator[Connection]:
    """The session of a purge beside 6,000 batches."""
    url = migrated_database_url
    with connections.connect(url, application="tests") as admin:
        for table in ("batch", "slot", "content", "failure", "association"):
            admin.execute(f"ALTER TABLE school.{table} SET (autovacuum_enabled = false)".encode())
        admin.execute("ALTER TABLE outbox.command SET (autovacuum_enabled = false)")
        if request.param == "analysed":
            admin.execute("ANALYZE")
        else:
            Load(6_000, slots=5, early=2_000, commands=6_000).write(admin)
    with connections.connect(url, application="purge", options=finished.OPTIONS) as link:
        yield link


def plan(link: Connection, name: str) -> str:
    """The generic plan, as the purge runs it."""
    body = SETS[name].load(name)
    names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", body.decode())))
    link.execute(b"PREPARE checked AS " + numbered(body), prepare=False)
    try:
        marks = ", ".join(["%s"] * len(names))
        rows = psycopg.ClientCursor(link).execute(
            f"EXPLAIN EXECUTE checked ({marks})", [VALUES[each] for each in names]
        )
        return "\n".join(row[0] for row in rows)
    finally:
        link.execute("DEALLOCATE checked", prepare=False)


@pytest.mark.parametrize("name", NAMES)
def test_each_statement_walks_the_indexes_of_its_header(loaded: Connection, name: str) -> None:
    found = plan(loaded, name)
    assert "Seq Scan" not in found
    for index in SETS[name].index_of(name):
        assert index in found, found


@pytest.mark.parametrize("name", BY_BATCH)
def test_what_belongs_to_a_batch_is_found_by_the_batch(loaded: Connection, name: str) -> None:
    assert "Index Cond: (batch_id = ANY ($" in plan(loaded, name)
