"""Retention removes what is published and old, and never anything else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from outbox_worker.local.postgres import PostgresServer
from outbox_worker.maintenance import partitions
from outbox_worker.position.position import Backlog
from outbox_worker.position.snapshot import Snapshot
from outbox_worker.postgres import database as connections
from outbox_worker.postgres import migrations
from outbox_worker.settings import PARTITIONS_AHEAD_DAYS
from outbox_worker.stores import mirror, partition
from outbox_worker.stores.mirror import Written
from tests.harness.waiting import wait_until
from tests.sql.old_events import (
    OLD,
    count,
    insert,
    make_day,
    publish_all,
    run,
)

if TYPE_CHECKING:
    from outbox_worker.stores import Connection


def test_a_published_day_goes_as_a_whole(connection: Connection) -> None:
    day = make_day(connection)
    insert(connection, 100)
    insert(connection, 5, datetime.now(UTC))
    publish_all(connection)
    dry = run(connection, dry_run=True)
    assert count(connection) == 105
    assert dry == run(connection)
    assert dry.days == {day: 100}
    assert count(connection) == 5
    assert day not in partition.list_partitions(connection)


def test_a_day_with_one_unpublished_shard_stays(connection: Connection) -> None:
    day = make_day(connection)
    insert(connection, 100)
    publish_all(connection, but=3)
    assert run(connection).kept == {day: 100}
    assert count(connection) == 100


def test_a_day_that_nobody_published_stays(connection: Connection) -> None:
    make_day(connection)
    insert(connection, 10)
    assert run(connection).days == {}
    assert count(connection) == 10


def test_a_day_half_way_through_a_backlog_stays_until_its_end(connection: Connection) -> None:
    day = make_day(connection)
    insert(connection, 100)
    upper = Snapshot.parse("999999:999999:")
    publish_all(connection, backlog=Backlog(upper, 50))
    assert run(connection).kept == {day: 100}
    connection.execute("TRUNCATE outbox.position")
    publish_all(connection, backlog=Backlog(upper, 100))
    assert run(connection).days == {day: 100}


READS = """
    SELECT coalesce(sum(seq_tup_read + idx_tup_fetch), 0)::int
    FROM pg_stat_xact_user_tables WHERE relname LIKE 'event%'
"""


def test_a_look_at_a_published_day_of_a_backlog_reads_none_of_it(connection: Connection) -> None:
    day = make_day(connection)
    insert(connection, 3_000)
    publish_all(connection, backlog=Backlog(Snapshot.parse("999999:999999:"), 3_000))
    connection.execute("ANALYZE")
    with connection.transaction():
        assert partition.count_events(connection, day) == (3_000, False)
        row = connection.execute(READS).fetchone()
        assert row is not None
        assert row[0] < 100


def test_a_row_of_an_open_transaction_keeps_its_day(connection: Connection, database: str) -> None:
    day = make_day(connection)
    insert(connection, 10)
    publish_all(connection)
    with connections.connect(database, application="open") as other, other.transaction():
        insert(other, 1)
        assert not outcome_without_waiting(connection, day)
    assert run(connection).kept == {day: 11}


def outcome_without_waiting(link: Connection, day: date) -> bool:
    """Whether the day is dropped at the first try; its lock is not to be had."""
    from psycopg.errors import LockNotAvailable  # noqa: PLC0415

    link.execute("SET lock_timeout = '100ms'")
    try:
        return partition.drop_partition(link, day)
    except LockNotAvailable:
        return False


VACUUMED_BY_ITSELF = """
    SELECT 1 FROM pg_stat_activity JOIN pg_locks USING (pid)
    WHERE backend_type = 'autovacuum worker' AND relation = 'outbox.%s'::regclass
"""


def test_a_day_that_is_being_vacuumed_goes_at_the_first_try() -> None:
    """Postgres' own vacuum lets go of a table, to those who wait for it long enough."""
    with (
        PostgresServer(settings={"autovacuum_naptime": "1s"}) as server,
        connections.connect(server.url(), application="tests") as link,
    ):
        migrations.apply(link)
        day = make_day(link)
        name = day.strftime("event_%Y%m%d")
        slow = (
            f"ALTER TABLE outbox.{name} SET (autovacuum_vacuum_cost_delay = 100, "
            "autovacuum_vacuum_cost_limit = 1, autovacuum_vacuum_insert_threshold = 1)"
        )
        link.execute(slow.encode())
        insert(link, 20_000)
        publish_all(link)
        seen = (VACUUMED_BY_ITSELF % name).encode()
        wait_until(lambda: link.execute(seen).fetchone() is not None, 30, "its vacuum runs")
        link.execute("SET lock_timeout = '200ms'")
        assert partition.drop_partition(link, day)
        assert link.execute("SHOW lock_timeout").fetchone() == ("200ms",)


def test_the_watermark_says_how_far_rows_were_dropped(connection: Connection) -> None:
    make_day(connection)
    insert(connection, 10)
    publish_all(connection)
    run(connection)
    row = connection.execute("SELECT id, xid::text::bigint > 2 FROM outbox.purged").fetchone()
    assert row == (10, True)


def test_the_default_partition_gives_up_what_is_published(connection: Connection) -> None:
    insert(connection, 30)
    publish_all(connection, but=3)
    dry = run(connection, dry_run=True)
    done = run(connection)
    assert 0 < done.default_events == dry.default_events < 30
    assert count(connection) == 30 - done.default_events
    row = connection.execute("SELECT bool_and(shard = 3) FROM outbox.event").fetchone()
    assert row == (True,)


def test_partitions_are_made_ahead_but_never_over_rows_of_the_default_one(
    connection: Connection,
) -> None:
    today = datetime.now(UTC)
    partitions.run_once(connection, today)
    far = today + timedelta(days=16)
    insert(connection, 1, far)
    ahead = partitions.run_once(connection, today + timedelta(days=3))
    assert ahead.blocked == [far.date()]
    assert ahead.made == [(today + timedelta(days=days)).date() for days in (15, 17)]
    assert count(connection) == 1


def test_workers_that_make_a_partition_at_once_make_it_once(database: str) -> None:
    later = datetime.now(UTC) + timedelta(days=100)

    def make(_: int) -> int:
        with connections.connect(database, application="tests") as link:
            return len(partitions.run_once(link, later).made)

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(make, range(8))) == PARTITIONS_AHEAD_DAYS + 1


def test_idempotency_keys_go_by_their_own_age(connection: Connection) -> None:
    connection.execute("SELECT outbox.publish('t', 'k', 'v', '1', idempotency_key => 'new')")
    connection.execute("SELECT outbox.publish('t', 'k', 'v', '1', idempotency_key => 'old')")
    connection.execute(
        "UPDATE outbox.idempotency_key SET created_at = now() - interval '31 days' "
        "WHERE key = 'old'"
    )
    assert run(connection, dry_run=True).keys == 1
    assert run(connection).keys == 1
    assert connection.execute("SELECT key FROM outbox.idempotency_key").fetchall() == [("new",)]


@pytest.mark.parametrize("dry_run", [True, False])
def test_keys_from_before_they_belonged_to_writers_go_by_their_age(
    connection: Connection, dry_run: bool
) -> None:
    connection.execute(
        "INSERT INTO outbox.unowned_idempotency_key (topic, key, event_id, created_at) "
        "SELECT 't', n::text, gen_random_uuid(), now() - n * interval '1 day' "
        "FROM generate_series(29, 32) AS n"
    )
    done = run(connection, dry_run=dry_run)
    assert done.keys == 3 - 1
    kept = connection.execute("SELECT count(*) FROM outbox.unowned_idempotency_key").fetchone()
    assert kept == (4 if dry_run else 2,)


def test_the_roles_of_relay_and_purge_suffice_for_upkeep_and_purge(connection: Connection) -> None:
    insert(connection, 4)
    with connection.transaction(force_rollback=True):
        connection.execute("SET LOCAL ROLE outbox_relay")
        publish_all(connection)
        older = (OLD - timedelta(days=3)).date()
        assert partition.add_partition(connection, older) is partition.Added.MADE
        connection.execute("SET LOCAL ROLE outbox_purge")
        assert partition.drop_partition(connection, older)
        assert run(connection).default_events == 4


def test_the_mirror_never_goes_back(connection: Connection) -> None:
    publish_all(connection)
    older = Written(3, 0, "older", "1:1:", None, None, 0, None, None)
    assert mirror.write_positions(connection, "group", "zombie", [older]) == 0
    assert {row.worker for row in mirror.list_positions(connection)} == {"w"}
