"""Rows that go chunk by chunk: none is left, and no chunk wades through those before it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import psycopg
import pytest

from outbox_worker.postgres import database as connections
from outbox_worker.purge import events
from outbox_worker.stores.loader import sql
from tests.sql.old_events import OLD, SESSION, count, insert, publish_all, run
from tests.sql.test_statements import numbered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from outbox_worker.stores import Connection

CHUNK: Final = 100
ROWS: Final = 3_000
NOW: Final = datetime.now(UTC)
VALUES: Final[dict[str, tuple[object, ...]]] = {
    "idempotency/purge_keys": (NOW - timedelta(days=99), NOW, CHUNK),
    "idempotency/purge_unowned_keys": (NOW - timedelta(days=99), NOW, CHUNK),
}

KEEP_KEYS: Final = """
    INSERT INTO outbox.idempotency_key (topic, key, event_id, digest, created_at)
    SELECT 't', n::text, gen_random_uuid(), '', now() - interval '40 days' + n * interval '1 s'
    FROM generate_series(1, %s) AS n"""
COUNT_KEYS: Final = "SELECT count(*) FROM outbox.idempotency_key"
ENTRIES: Final = """
    SELECT sum(idx_tup_read)::bigint FROM pg_stat_user_indexes WHERE indexrelname = %s"""


@pytest.fixture
def purging(
    connection: Connection, database: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Connection]:
    """The session of a purge in small chunks, on tables that nobody vacuums or analyses."""
    monkeypatch.setattr(events, "CHUNK_ROWS", CHUNK)
    for table in ("event_default", "idempotency_key"):
        connection.execute(f"ALTER TABLE outbox.{table} SET (autovacuum_enabled = false)".encode())
    with connections.connect(database, application="purge", options=SESSION) as link:
        yield link


def plan(link: Connection, name: str) -> str:
    link.execute(b"PREPARE checked AS " + numbered(sql.load(name)), prepare=False)
    order = "EXPLAIN EXECUTE checked (%s, %s, %s)"
    rows = psycopg.ClientCursor(link).execute(order, VALUES[name]).fetchall()
    return "\n".join(row[0] for row in rows)


@pytest.mark.parametrize("analysed", [False, True])
@pytest.mark.parametrize("name", VALUES)
def test_a_chunk_walks_the_index_of_its_header_from_where_the_last_one_ended(
    connection: Connection, purging: Connection, name: str, *, analysed: bool
) -> None:
    connection.execute(KEEP_KEYS, (ROWS,))
    if analysed:
        connection.execute("ANALYZE")
    found = plan(purging, name)
    (index,) = sql.index_of(name)
    assert f"Index Scan using {index}" in found, found
    assert "Index Cond: ((created_at >= $1)" in found, found
    assert "Seq Scan" not in found
    assert "Sort" not in found


def entries_read(purging: Connection, index: str) -> int:
    """How many entries of an index were read so far, dead ones too."""
    # Else a session tells of its reads once a second.
    purging.execute("SELECT pg_stat_force_next_flush()")
    row = purging.execute(ENTRIES, (index,)).fetchone()
    assert row is not None
    return int(row[0])


def test_keys_go_in_chunks_beside_an_old_snapshot_and_each_is_read_a_few_times(
    connection: Connection, database: str, purging: Connection
) -> None:
    connection.execute(KEEP_KEYS, (ROWS,))
    with psycopg.connect(database) as dump:
        dump.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        dump.execute(COUNT_KEYS)
        assert run(purging).keys == ROWS
        assert entries_read(purging, "idempotency_key_created_at_idx") < 3 * ROWS
    assert connection.execute(COUNT_KEYS).fetchone() == (0,)


@pytest.mark.parametrize("analysed", [False, True])
def test_events_of_the_default_partition_go_in_chunks_around_those_that_stay(
    connection: Connection, database: str, purging: Connection, *, analysed: bool
) -> None:
    """By the plan of the function, which nobody sees from outside."""
    insert(connection, ROWS)
    insert(connection, 50, datetime.now(UTC) + timedelta(days=40))
    insert(connection, ROWS, OLD - timedelta(days=3))
    publish_all(connection, but=3)
    if analysed:
        connection.execute("ANALYZE")
    kept = connection.execute("SELECT count(*) FROM outbox.event WHERE shard = 3").fetchone()
    young = connection.execute(
        "SELECT count(*) FROM outbox.event WHERE shard <> 3 AND created_at > now()"
    ).fetchone()
    assert kept is not None
    assert young is not None
    with psycopg.connect(database) as dump:
        dump.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        dump.execute("SELECT FROM outbox.event LIMIT 1")
        done = run(purging)
        # Each is read to be found, and to be deleted.
        assert entries_read(purging, "event_default_pkey") < 5 * ROWS * 2
    assert count(connection) == kept[0] + young[0] == 2 * ROWS + 50 - done.default_events
