"""A purge beside others: it waits for their locks, not for ever, and not in their way."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import psycopg
import pytest

from outbox_worker.errors import WorkFailedError
from outbox_worker.postgres import database as connections
from outbox_worker.purge import events
from outbox_worker.stores import partition
from tests.harness.waiting import wait_until
from tests.sql.old_events import (
    LIMIT,
    OLD,
    SESSION,
    count,
    insert,
    make_day,
    make_everything_old,
    publish_all,
    publish_truly,
    run,
)

if TYPE_CHECKING:
    from outbox_worker.postgres.locks import LockRetry
    from outbox_worker.purge.events import Purged
    from outbox_worker.stores import Connection


SHORT: Final = replace(events.PATIENCE, seconds=0.3)
WAITS: Final = """
    SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE NOT granted AND application_name = 'purge' AND datname = current_database()
"""


def purge_beside(url: str, patience: LockRetry = events.PATIENCE) -> Purged:
    """A purge in a session of its own."""
    with connections.connect(url, application="purge", options=SESSION) as link:
        return events.run_once(link, LIMIT, lambda _: None, patience=patience)


def await_a_failed_try(link: Connection) -> None:
    """Wait until the purge has waited for a lock, and given up for now."""
    for wanted in (1, 0):
        wait_until(
            lambda wanted=wanted: link.execute(WAITS).fetchone() == (wanted,),  # type: ignore[misc]
            20,
            f"the purge waits for {wanted} locks",
        )


LOCKS: Final = {
    "the day": "LOCK TABLE ONLY outbox.event_{0} IN ROW SHARE MODE",
    "the events": "LOCK TABLE ONLY outbox.event IN ACCESS SHARE MODE",
    "the events, from everybody": "LOCK TABLE ONLY outbox.event IN ACCESS EXCLUSIVE MODE",
    "the default partition": "LOCK TABLE outbox.event_default IN SHARE MODE",
    "the watermark": "LOCK TABLE outbox.purged IN SHARE MODE",
    "the keys": "LOCK TABLE outbox.idempotency_key IN SHARE MODE",
}


@pytest.mark.parametrize("lock", LOCKS.values(), ids=LOCKS)
def test_a_lock_that_others_hold_for_a_while_is_waited_for(
    connection: Connection, database: str, lock: str
) -> None:
    make_everything_old(connection)
    with (
        connections.connect(database, application="holder") as holder,
        ThreadPoolExecutor() as pool,
    ):
        with holder.transaction():
            holder.execute(lock.format(OLD.strftime("%Y%m%d")).encode())
            purging = pool.submit(purge_beside, database)
            await_a_failed_try(connection)
        done = purging.result(60)
    assert (done.days, done.default_events, done.keys) == ({OLD.date(): 10}, 5, 1)
    assert count(connection) == 1


@pytest.mark.parametrize("lock", LOCKS.values(), ids=LOCKS)
def test_a_lock_that_is_never_let_go_ends_the_purge_with_the_hint(
    connection: Connection, database: str, lock: str
) -> None:
    make_everything_old(connection)
    with connections.connect(database, application="holder") as holder, holder.transaction():
        holder.execute(lock.format(OLD.strftime("%Y%m%d")).encode())
        with pytest.raises(WorkFailedError, match="locked by others") as failed:
            purge_beside(database, SHORT)
    assert failed.value.exit_code == 1
    assert "run purge again" in failed.value.hint
    assert isinstance(failed.value.__cause__, psycopg.errors.LockNotAvailable)
    done = run(connection)
    assert count(connection) == 1
    assert done.kept == {}


def test_a_day_that_another_purge_drops_meanwhile_is_that_ones(
    connection: Connection, database: str
) -> None:
    day = make_day(connection)
    insert(connection, 10)
    publish_all(connection)
    with connections.connect(database, application="other") as other, ThreadPoolExecutor() as pool:
        with other.transaction():
            assert partition.drop_partition(other, day)
            purging = pool.submit(purge_beside, database)
            await_a_failed_try(connection)
        done = purging.result(60)
    assert (done.days, done.kept) == ({}, {})
    assert count(connection) == 0


DEFAULT: Final = "LOCK TABLE outbox.event_default IN SHARE MODE"


def test_rows_of_the_default_partition_are_waited_for(
    connection: Connection, database: str
) -> None:
    insert(connection, 10)
    publish_all(connection)
    with (
        connections.connect(database, application="holder") as holder,
        ThreadPoolExecutor() as pool,
    ):
        with holder.transaction():
            holder.execute(DEFAULT)
            with pytest.raises(WorkFailedError, match="The default partition stays locked"):
                purge_beside(database, SHORT)
            purging = pool.submit(purge_beside, database)
            await_a_failed_try(connection)
        assert purging.result(60).default_events == 10


def test_purges_side_by_side_leave_nothing_and_fail_over_nothing(
    connection: Connection, database: str
) -> None:
    days = [OLD - timedelta(days=n) for n in range(8)]
    for day in days:
        make_day(connection, day)
        insert(connection, 200, day)
    insert(connection, 30_000, days[-1] - timedelta(days=1))
    publish_truly(connection)
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(purge_beside, [database] * 4))
    assert count(connection) == 0
    assert sorted(day for each in done for day in each.days) == sorted(day.date() for day in days)
    assert sum(each.default_events for each in done) == 30_000
    assert not any(each.kept for each in done)
