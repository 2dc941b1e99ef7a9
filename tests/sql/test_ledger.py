"""What purge does with days that have dead letters, and with those that are decided."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from outbox_worker.dead_letters import requests
from outbox_worker.errors import WorkFailedError
from outbox_worker.stores import ledger, mirror, rebase
from outbox_worker.stores.ledger import Asked
from tests.sql.old_events import OLD, count, insert, make_day, publish_all, run, true_positions

if TYPE_CHECKING:
    from outbox_worker.stores import Connection

PARK: Final = """
    INSERT INTO outbox.dead_letter_event
        (id, created_at, xid, shard, topic, key, event_id, type, reason, code, parked_by, number)
    SELECT id, created_at, xid, shard, topic, key, event_id, type, 'too large', 'LARGE', 'w', 1
    FROM outbox.event WHERE id <= %s"""
DECIDE: Final = "UPDATE outbox.dead_letter_event SET state = %s, decided_at = %s WHERE id <= %s"
COUNT: Final = "SELECT count(*) FROM outbox.dead_letter_event"


def letters(link: Connection) -> int:
    """How many rows the ledger has."""
    row = link.execute(COUNT).fetchone()
    assert row is not None
    return int(row[0])


def test_a_day_with_an_open_dead_letter_stays_and_goes_once_it_is_decided(
    connection: Connection,
) -> None:
    day = make_day(connection)
    insert(connection, 10)
    publish_all(connection)
    connection.execute(PARK, (2,))
    for dry_run in (True, False):
        done = run(connection, dry_run=dry_run)
        assert (done.days, done.kept, done.parked) == ({}, {day: 10}, {day: 2})
    assert count(connection) == 10
    connection.execute(DECIDE, ("redriven", OLD, 1))
    assert run(connection).parked == {day: 1}
    assert letters(connection) == 2, "the row of an event that is there stays"
    connection.execute(DECIDE, ("discarded", OLD, 2))
    dry = run(connection, dry_run=True)
    assert (dry.days, dry.dead_letters) == ({day: 10}, 2)
    done = run(connection)
    assert (done.days, done.parked, done.dead_letters) == ({day: 10}, {}, 2)
    assert (count(connection), letters(connection)) == (0, 0)


def test_a_dead_letter_that_was_decided_lately_stays_in_the_ledger(connection: Connection) -> None:
    make_day(connection)
    insert(connection, 3)
    publish_all(connection)
    connection.execute(PARK, (3,))
    connection.execute("UPDATE outbox.dead_letter_event SET state = 'redriven', decided_at = now()")
    done = run(connection)
    assert (len(done.days), done.dead_letters) == (1, 0)
    assert letters(connection) == 3


def test_events_of_the_default_partition_stay_while_they_are_parked(
    connection: Connection,
) -> None:
    insert(connection, 5)
    publish_all(connection)
    connection.execute(PARK, (2,))
    assert run(connection).default_events == 3
    assert count(connection) == 2


def test_the_role_of_purge_suffices_for_the_ledger(connection: Connection) -> None:
    make_day(connection)
    insert(connection, 4)
    publish_all(connection)
    connection.execute(PARK, (1,))
    with connection.transaction(force_rollback=True):
        connection.execute("SET LOCAL ROLE outbox_purge")
        assert list(run(connection).parked.values()) == [1]
    connection.execute(DECIDE, ("discarded", OLD, 1))
    with connection.transaction(force_rollback=True):
        connection.execute("SET LOCAL ROLE outbox_purge")
        assert run(connection).dead_letters == 1


def test_counts_are_bounded_in_topics(connection: Connection) -> None:
    connection.execute(
        "INSERT INTO outbox.event (topic, key, type) "
        "SELECT 't' || n % 4, NULLIF(n % 3, 0)::text, 'v' FROM generate_series(1, 100) AS n"
    )
    connection.execute(PARK, (100,))
    found = ledger.count_open(connection, 3)
    assert sum(each.events for each in found) == 100
    assert [each.topic for each in found if each.topic is None] == [None]
    assert len(found) == 4
    sequences, total = ledger.list_sequences(connection, ledger.OPEN, Asked("t1"), 5)
    assert len(sequences) == 5
    assert total == next(each.sequences for each in found if each.topic == "t1")


def test_whoever_parks_a_topic_does_not_wait_for_what_comes_meanwhile(
    connection: Connection,
) -> None:
    insert(connection, 3)
    asked = Asked("t")
    said: list[int] = []

    def say(left: int) -> None:
        said.append(left)
        if len(said) == 1:
            publish_all(connection)
            insert(connection, 2)

    requests.await_parked(connection, asked, 1.0, say)
    assert said == [3]
    assert sum(each.events for each in ledger.list_waiting(connection, asked)) == 2


def test_rebase_makes_xids_of_another_cluster_harmless_where_the_event_was_deleted(
    connection: Connection,
) -> None:
    insert(connection, 3)
    connection.execute(PARK, (3,))
    connection.execute("DELETE FROM outbox.event WHERE id < 3")
    connection.execute("UPDATE outbox.dead_letter_event SET xid = '999999999' WHERE id <> 2")
    with connection.transaction():
        seen = rebase.read_snapshot(connection)
        assert rebase.settle_deleted(connection, seen, is_foreign=False) == 1
        assert rebase.settle_deleted(connection, seen, is_foreign=True) == 1
    found = connection.execute("SELECT id FROM outbox.dead_letter_event WHERE xid = '3' ORDER BY 1")
    assert found.fetchall() == [(1,), (2,)]


def test_a_position_whose_ledger_lost_writes_is_not_mirrored_and_not_believed(
    connection: Connection,
) -> None:
    make_day(connection)
    insert(connection, 100)
    given = true_positions(connection, ledger=1)
    assert mirror.write_positions(connection, "group", "w", given) == 0
    connection.execute("UPDATE outbox.dead_letter_shard SET number = 1")
    assert mirror.write_positions(connection, "group", "w", given) == len(given)
    with connection.transaction(force_rollback=True):
        connection.execute("SET LOCAL ROLE outbox_purge")
        assert list(run(connection).days.values()) == [100]
    connection.execute("UPDATE outbox.dead_letter_shard SET number = 0 WHERE shard = 3")
    with pytest.raises(WorkFailedError, match="shard 3: the ledger of dead letters has 0 writes"):
        run(connection)
    assert count(connection) == 100
