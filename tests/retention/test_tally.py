"""The numbers of batches are right at every moment, and cost what is not folded yet."""

from __future__ import annotations

import json
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import pytest

from outbox_school import tally as upkeep
from outbox_school.statements import sql
from outbox_school.stores import tally
from outbox_worker.local.ports import HOST, free_port
from outbox_worker.maintenance.jobs import JobLoop
from outbox_worker.postgres import database as connections
from outbox_worker.settings import BACKOFF_MAX_S
from tests.harness.waiting import patient
from tests.retention.dataset import number

if TYPE_CHECKING:
    from outbox_worker.stores import Connection

INSERT: Final = (
    "INSERT INTO school.batch_tally (class_type, active, completed, purged) VALUES (%s, %s, %s, %s)"
)
INSERT_MANY: Final = (
    "INSERT INTO school.batch_tally (class_type, active, completed) "
    "SELECT 'GUEST', 1, 2 FROM generate_series(1, %s)"
)
INSERT_BATCHES: Final = """
    INSERT INTO school.batch (batch_id, owner, course_code, class_type, expected_count,
                              correlation_id)
    SELECT gen_random_uuid(), 'teacher', 'ENG5', 'GUEST', 1, gen_random_uuid()
    FROM generate_series(1, %s)"""
COUNT: Final = b"SELECT count(*) FROM school.batch_tally"

WRITERS: Final = 4
FOLDERS: Final = 3
WRITES: Final = 400


def scrape_plan(link: Connection) -> dict[str, Any]:
    """The plan of the scrape, with the pages that it touched."""
    order = b"EXPLAIN (ANALYZE, BUFFERS, TIMING off, FORMAT JSON) " + sql.load("tally/list_tally")
    row = link.execute(order).fetchone()
    assert row is not None
    found: dict[str, Any] = row[0][0]["Plan"]
    return found


def pages(plan: dict[str, Any]) -> int:
    return int(plan["Shared Hit Blocks"]) + int(plan["Shared Read Blocks"])


def test_both_class_types_are_there_from_the_beginning(connection: Connection) -> None:
    assert tally.list_tally(connection) == [("GUEST", 0, 0, 0), ("REGULAR", 0, 0, 0)]


def test_folding_keeps_the_sums_and_leaves_one_row_for_a_class_type(
    connection: Connection,
) -> None:
    for class_type, *deltas in [("GUEST", 1, 0, 0), ("GUEST", -1, 1, 0), ("GUEST", 0, -1, 1)] * 3:
        connection.execute(INSERT, (class_type, *deltas))
    connection.execute(INSERT, ("REGULAR", 1, 0, 0))
    before = tally.list_tally(connection)
    assert before == [("GUEST", 0, 0, 3), ("REGULAR", 1, 0, 0)]
    assert tally.fold_tally(connection, 11, 100) == 0
    assert number(connection, COUNT) == 10
    assert tally.fold_tally(connection, 10, 100) == 10
    assert number(connection, COUNT) == 2
    assert tally.list_tally(connection) == before


def test_a_long_tally_is_folded_chunk_by_chunk(
    connection: Connection, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "CHUNK_ROWS", 300)
    connection.execute(INSERT_MANY, (1_050,))
    assert JobLoop(upkeep.JOB, database, "", None).run_once() == upkeep.INTERVAL_S
    assert number(connection, COUNT) < upkeep.LEAST_ROWS
    while tally.fold_tally(connection, 2, 100):
        pass
    assert number(connection, COUNT) == 1
    assert tally.list_tally(connection)[0] == ("GUEST", 1_050, 2_100, 0)


def test_upkeep_folds_what_is_long_and_waits_for_a_database_that_is_away(
    connection: Connection, database: str
) -> None:
    connection.execute(INSERT_MANY, (upkeep.LEAST_ROWS - 1,))
    assert JobLoop(upkeep.JOB, database, "", None).run_once() == upkeep.INTERVAL_S
    assert number(connection, COUNT) == upkeep.LEAST_ROWS - 1
    connection.execute(INSERT_MANY, (1,))
    assert JobLoop(upkeep.JOB, database, "", None).run_once() == upkeep.INTERVAL_S
    assert number(connection, COUNT) == 1
    away = f"postgresql://{HOST}:{free_port()}/none"
    assert JobLoop(upkeep.JOB, away, "", None).run_once() == BACKOFF_MAX_S


def test_the_scrape_reads_what_is_not_folded_and_no_batch(
    connection: Connection, database: str
) -> None:
    connection.execute("ALTER TABLE school.batch_tally SET (autovacuum_enabled = false)")
    connection.execute(INSERT_MANY, (100,))
    scrape_plan(connection)  # the first one reads the catalog too
    few = scrape_plan(connection)
    connection.execute(INSERT_BATCHES, (100_000,))
    assert pages(scrape_plan(connection)) == pages(few)
    assert '"Relation Name": "batch"' not in json.dumps(few)
    connection.execute(INSERT_MANY, (20_000,))
    assert pages(scrape_plan(connection)) > 20 * pages(few)
    for _ in range(2):
        # The first sum stands behind the rows that it replaces, the second one in their place.
        with connections.connect(database, application="upkeep") as folder:
            assert tally.fold_tally(folder, 1, upkeep.CHUNK_ROWS)
        connection.execute("VACUUM school.batch_tally")
    assert pages(scrape_plan(connection)) <= pages(few) + 1


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_reader_ever_sees_a_wrong_sum_while_many_write_and_fold(  # long: three kinds of actors
    database: str, seed: int
) -> None:
    """Each write leaves active + completed = 0 and adds one to purged."""
    ended = threading.Event()

    def write(writer: int) -> None:
        rng = random.Random(f"{seed} {writer}")
        with connections.connect(database, application="writer") as link:
            for _ in range(WRITES):
                delta = rng.randint(-5, 5)
                with link.transaction(force_rollback=rng.random() < 0.2) as transaction:
                    link.execute(INSERT, ("GUEST", delta, -delta, 1))
                if not transaction.force_rollback:
                    written.append(delta)

    def fold(_: int) -> int:
        with connections.connect(database, application="folder") as link:
            folded = 0
            while not ended.is_set():
                folded += tally.fold_tally(link, 2, 50)
            return folded

    def read(_: int) -> int:
        seen, looks = 0, 0
        with connections.connect(database, application="reader") as link:
            while not ended.is_set():
                found = tally.list_tally(link)[0]
                assert found.active + found.completed == 0
                assert found.purged >= seen
                seen, looks = found.purged, looks + 1
        return looks

    written: list[int] = []
    with ThreadPoolExecutor(WRITERS + FOLDERS + 2) as threads:
        readers = [threads.submit(read, each) for each in range(2)]
        folders = [threads.submit(fold, each) for each in range(FOLDERS)]
        try:
            list(threads.map(write, range(WRITERS)))
        finally:
            ended.set()
        assert min(reader.result(patient(60)) for reader in readers) > 10
        assert sum(folder.result(patient(60)) for folder in folders) > WRITES
    with connections.connect(database, application="tests") as link:
        assert tally.list_tally(link)[0] == ("GUEST", sum(written), -sum(written), len(written))
