"""Days without a partition, and events that got none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from outbox_worker.doctor.finding import Level
from outbox_worker.doctor.postgres import default_partition

if TYPE_CHECKING:
    from outbox_worker.stores import Connection
    from tests.doctor.conftest import Doctor


def drop_day(connection: Connection, ahead: int) -> None:
    """Take away the partition of a day to come."""
    day = datetime.now(UTC).date() + timedelta(days=ahead)
    connection.execute(f"DROP TABLE outbox.event_{day:%Y%m%d}".encode())


def test_days_without_a_partition_warn_and_fail_once_it_is_tomorrow(
    doctor: Doctor, connection: Connection
) -> None:
    drop_day(connection, 9)
    found = doctor.look("postgres.partitions")
    assert (found.level, found.run) == (Level.WARN, ("outbox-worker migrate",))
    drop_day(connection, 1)
    found = doctor.look("postgres.partitions")
    assert found.level is Level.FAIL
    assert "and 1 more" in found.seen


def test_events_in_the_default_partition_warn(doctor: Doctor, connection: Connection) -> None:
    connection.execute(
        "INSERT INTO outbox.event (topic, key, type, created_at) "
        "VALUES ('orders', 'a', 'placed', '2031-05-06 12:00Z'), ('orders', 'b', 'placed', "
        "'2031-05-07 12:00Z')"
    )
    found = doctor.look("postgres.default_partition")
    assert found.level is Level.WARN
    assert "2 events of 2031-05-06 to 2031-05-07" in found.seen
    assert default_partition.MANY > 2


def test_a_day_whose_events_are_in_the_default_partition_is_none_that_a_worker_could_make(
    doctor: Doctor, connection: Connection
) -> None:
    drop_day(connection, 0)
    assert doctor.look("postgres.partitions").run == ("outbox-worker migrate",)
    connection.execute(
        "INSERT INTO outbox.event (topic, key, type, created_at) VALUES ('orders', 'a', 'placed', "
        "date_trunc('day', now(), 'UTC') + interval '1 hour')"
    )
    found = doctor.look("postgres.partitions")
    assert found.level is Level.PASS
    assert "default partition" in found.seen
    drop_day(connection, 1)
    found = doctor.look("postgres.partitions")
    assert (found.level, found.run) == (Level.FAIL, ("outbox-worker migrate",))
