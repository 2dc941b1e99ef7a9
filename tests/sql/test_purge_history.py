"""A purge believes a position only while its witnesses stand in the table."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from outbox_worker.errors import WorkFailedError
from outbox_worker.postgres import database as connections
from outbox_worker.purge import events
from outbox_worker.stores import partition
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
    from outbox_worker.stores import Connection


def test_witnesses_that_purge_itself_dropped_are_no_loss(connection: Connection) -> None:
    make_day(connection)
    insert(connection, 100)
    publish_truly(connection)
    assert run(connection).days == {OLD.date(): 100}
    make_day(connection, OLD - timedelta(days=1))
    assert run(connection).days == {(OLD - timedelta(days=1)).date(): 0}


def test_old_events_stay_where_another_event_stands_for_a_witness(connection: Connection) -> None:
    make_everything_old(connection)
    connection.execute("TRUNCATE outbox.position")
    publish_truly(connection, event=str(uuid.uuid4()))
    for dry_run in (True, False):
        with pytest.raises(WorkFailedError, match="another event stands under id") as failed:
            run(connection, dry_run=dry_run)
        assert "outbox-worker rebase --execute" in failed.value.hint
    assert count(connection) == 16
    row = connection.execute("SELECT count(*) FROM outbox.idempotency_key").fetchone()
    assert row == (0,)


def test_old_events_stay_where_a_witness_is_not_in_the_table(connection: Connection) -> None:
    make_everything_old(connection)
    connection.execute("TRUNCATE outbox.position")
    publish_truly(connection, missing=1_000)
    with pytest.raises(WorkFailedError, match="is not in the table"):
        run(connection)
    assert count(connection) == 16


def test_a_position_of_another_history_that_comes_meanwhile_ends_the_purge(
    connection: Connection, database: str
) -> None:
    make_everything_old(connection)
    younger = OLD + timedelta(days=1)
    make_day(connection, younger)
    insert(connection, 7, younger)
    publish_all(connection)

    def say(step: str) -> None:
        if str(younger.date()) in step:
            connection.execute("TRUNCATE outbox.position")
            publish_truly(connection, missing=1_000)

    with (
        connections.connect(database, application="purge", options=SESSION) as link,
        pytest.raises(WorkFailedError, match="is not in the table"),
    ):
        events.run_once(link, LIMIT, say)
    assert partition.list_partitions(connection)[0] == younger.date()
    assert count(connection) == 5 + 7 + 1
