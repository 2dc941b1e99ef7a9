"""What somebody works on is passed over, then waited for; a registration keeps what it has read."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import pytest

from outbox_school import retention
from outbox_school.stores import retention as statements
from outbox_school.stores import tally
from outbox_worker.application import Span
from outbox_worker.application.retention import BEGINNING
from outbox_worker.postgres import database as connections
from outbox_worker.purge import finished, sweep
from tests.harness.waiting import wait_until
from tests.retention.dataset import (
    Batch,
    Dataset,
    Early,
    RecordedProgress,
    batch_id,
    number,
    sizes,
    write_batch,
    write_early,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from concurrent.futures import Future

    from outbox_worker.application import Step, Sweep
    from outbox_worker.purge.finished import Purged
    from outbox_worker.stores import Connection

NOW: Final = datetime(2026, 3, 29, 12, tzinfo=UTC)
ORDER: Final = finished.FinishedCutoff.of_days(1, retention.sweeps(("GUEST",)), NOW)

LOCK_BATCH: Final = "SELECT pg_advisory_xact_lock(hashtextextended('batch ' || %s::text, 0))"
LOCK_ROW: Final = "SELECT FROM school.batch WHERE batch_id = %s FOR NO KEY UPDATE"
LOCK_SLOT: Final = "SELECT FROM school.slot WHERE batch_id = %s FOR UPDATE"
READ_SLOTS: Final = "SELECT FROM school.slot WHERE batch_id = %s"
COUNT_BATCHES: Final = b"SELECT count(*) FROM school.batch"
COUNT_PENDING: Final = b"SELECT count(*) FROM school.content WHERE status = 'pending'"

READY_S: Final = 60.0


@contextmanager
def purging(link: Connection) -> Iterator[Future[Purged]]:
    """A purge on its way in a thread."""
    with ThreadPoolExecutor(1) as threads:
        yield threads.submit(finished.run_once, link, ORDER, RecordedProgress())


@pytest.fixture
def other(database: str) -> Iterator[Connection]:
    """The session of a command."""
    with connections.connect(database, application="command") as other:
        yield other


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows with each look at what is left."""
    found: list[int] = []
    original = sweep._pass

    def counting(connection: Connection, what: Sweep, before: datetime) -> Iterable[Step]:
        yield from original(connection, what, before)
        found.append(1)

    monkeypatch.setattr(sweep, "_pass", counting)
    return found


def await_passes(passes: list[int], more: int = 2) -> None:
    enough = len(passes) + more
    wait_until(lambda: len(passes) >= enough, READY_S, "purge has looked again")


@pytest.mark.parametrize("lock", [LOCK_BATCH, LOCK_ROW, LOCK_SLOT])
def test_a_batch_in_use_stays_whole_until_it_is_let_go(
    link: Connection, other: Connection, passes: list[int], lock: str
) -> None:
    Dataset([Batch("GUEST", 9)] * 3).write(link, NOW)
    other.execute("BEGIN")
    other.execute(lock, (batch_id(1),))
    with purging(link) as done:
        await_passes(passes)
        rows = other.execute(READ_SLOTS, (batch_id(1),)).fetchall()
        assert len(rows) == 2
        assert not done.done()
        other.execute("COMMIT")
        assert done.result(READY_S).rows["GUEST batches"] == 3


def test_what_a_registration_has_read_is_never_deleted_under_it(
    link: Connection, other: Connection, passes: list[int]
) -> None:
    Dataset().write(link, NOW)
    write_early(link, batch_id(0), Early(9, 3, 2), NOW)
    write_early(link, batch_id(1), Early(9, 1, 1), NOW)
    other.execute("BEGIN")
    other.execute(LOCK_BATCH, (batch_id(0),))
    assert number(other, COUNT_PENDING) == 4
    with purging(link) as done:
        await_passes(passes)
        assert number(other, COUNT_PENDING) == 3
        write_batch(other, batch_id(0), Batch("GUEST", None), NOW)
        other.execute("COMMIT")
        found = done.result(READY_S)
    assert (found.rows["early texts"], found.rows["early failed files"]) == (1, 1)
    assert number(link, COUNT_PENDING) == 3


def test_the_second_look_sees_a_batch_that_came_after_the_first(
    link: Connection, other: Connection
) -> None:
    Dataset().write(link, NOW)
    write_early(link, batch_id(0), Early(9, 3, 2), NOW)
    span = Span(BEGINNING, ORDER.before)
    # A registration that ends before the lock is asked for: the claim's snapshot is older.
    claimed = statements.claim_early_content(link, span, 10)
    write_batch(other, batch_id(0), Batch("GUEST", None), NOW)
    assert statements.delete_early_content(link, claimed, ORDER.before) == 0
    failures = statements.claim_early_failures(link, span, 10)
    assert failures == []


def test_a_batch_that_nobody_lets_go_is_counted_and_the_rest_is_gone(
    link: Connection, other: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "TRIES", 3)
    Dataset([Batch("GUEST", 9)] * 3, [Early(9, 2, 1)], [9.0] * 5).write(link, NOW)
    with other.transaction():
        other.execute(LOCK_ROW, (batch_id(1),))
        purged = finished.run_once(link, ORDER, RecordedProgress())
    assert purged.in_use == {"GUEST batches": 1}
    gone = ("GUEST batches", "early texts", "early failed files", "finished commands")
    assert [purged.rows[what] for what in gone] == [2, 2, 1, 5]
    assert sizes(link) == Dataset([Batch("GUEST", 9)]).sizes()


def test_many_batches_in_use_at_one_moment_do_not_hide_those_after_them(
    link: Connection, other: Connection, passes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "CHUNK_BATCHES", 2)
    monkeypatch.setattr(retention, "CHUNK_EARLY", 2)
    Dataset([Batch("GUEST", 9 - n / 10) for n in range(7)]).write(link, NOW)
    other.execute("BEGIN")
    for held in range(5):
        other.execute(LOCK_BATCH, (batch_id(held),))
    with purging(link) as done:
        await_passes(passes, 1)
        assert number(other, COUNT_BATCHES) == 5
        other.execute("COMMIT")
        assert done.result(READY_S).rows["GUEST batches"] == 7


def test_two_purges_at_once_share_the_work(database: str, link: Connection) -> None:
    dataset = Dataset([Batch("GUEST", 9)] * 40, [Early(9, 2, 2)] * 10, [9.0] * 50)
    dataset.write(link, NOW)
    wanted, left = dataset.expected_after_purge(1, ("GUEST",))

    def run(_: int) -> Purged:
        with connections.connect(
            database, application="purge", options=finished.OPTIONS
        ) as session:
            return finished.run_once(session, ORDER, RecordedProgress())

    with ThreadPoolExecutor(3) as threads:
        done = list(threads.map(run, range(3)))
    for what, rows in wanted.rows.items():
        assert sum(each.rows[what] for each in done) == rows
    assert sizes(link) == left.sizes()
    assert tally.list_tally(link)[0] == ("GUEST", 0, 0, 40)
