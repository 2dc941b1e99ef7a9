"""What is parked while somebody decides, what is gone, and at which rate a redrive goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.harness.ledger_owner import Kafka, Owner, without_pauses
from tests.sql.test_redrives import DISCARD, DISCARD_ALL, ORDERS, REDRIVE, states, write

if TYPE_CHECKING:
    from outbox_worker.stores import Connection


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> Kafka:
    return without_pauses(monkeypatch)


@pytest.mark.parametrize(
    "discard",
    [
        DISCARD_ALL,
        "SELECT outbox.discard(topic => 't')",
        "SELECT outbox.discard(topic => 't', key => 'k')",
        "SELECT outbox.discard(event_id => (SELECT event_id FROM outbox.dead_letter_event))",
    ],
)
def test_what_is_parked_behind_an_event_that_is_discarded_in_the_same_moment_is_redriven(
    connection: Connection, kafka: Kafka, discard: str
) -> None:
    (first,) = write(connection, "t", "k")
    connection.execute(discard.encode())
    # A worker that saw the first one open commits this after the person's transaction.
    (late,) = write(connection, "t", "k")
    owner = Owner(connection, kafka)
    owner.run(5)
    assert kafka.taken == [late]
    assert states(connection) == {first: "discarded", late: "redriven"}
    assert connection.execute(ORDERS).fetchall() == [("done", "1 redriven")]


def test_what_is_behind_a_discarded_event_waits_for_a_person(
    connection: Connection, kafka: Kafka
) -> None:
    first, second = write(connection, "t", "k", "k")
    connection.execute(DISCARD, (first,))
    owner = Owner(connection, kafka)
    owner.run(5)
    assert states(connection) == {first: "discarded", second: "parked"}
    assert connection.execute(ORDERS).fetchall() == []


def test_an_event_that_was_deleted_before_it_was_passed_ends_its_redrive(
    connection: Connection, kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    (gone,) = write(connection, "t", "k")
    owner = Owner(connection, kafka)
    connection.execute("DELETE FROM outbox.event")
    monkeypatch.setattr(owner.dead_letters, "is_bound", lambda _: True)
    connection.execute(REDRIVE, ("t",))
    owner.run(5)
    assert states(connection) == {gone: "parked"}
    ((state, outcome),) = connection.execute(ORDERS).fetchall()
    assert state == "failed"
    assert "0 redriven, 1 refused" in outcome


def test_a_partition_without_a_leader_is_waited_for(connection: Connection, kafka: Kafka) -> None:
    (event,) = write(connection, "t", "k")
    owner = Owner(connection, kafka)
    kafka.leaderless_topics = {"t"}
    connection.execute(REDRIVE, ("t",))
    owner.run(5)
    assert [state for state, _ in connection.execute(ORDERS).fetchall()] == ["open"]
    kafka.leaderless_topics = set()
    owner.run(5)
    assert kafka.taken == [event]
    assert connection.execute(ORDERS).fetchall() == [("done", "1 redriven")]


@pytest.mark.parametrize("rate", ["Infinity", "NaN", "0", "-1"])
def test_a_rate_that_is_none_is_refused(connection: Connection, rate: str) -> None:
    write(connection, "t", "k")
    with pytest.raises(psycopg.errors.CheckViolation, match="dead_letter_order_has_a_rate"):
        connection.execute("SELECT outbox.redrive(topic => 't', rate => %s::float8)", (rate,))


def test_the_shards_share_a_rate(connection: Connection) -> None:
    write(connection, "t", *map(str, range(50)))
    connection.execute("SELECT outbox.redrive(topic => 't', rate => 80)")
    rows = connection.execute("SELECT rate FROM outbox.dead_letter_order").fetchall()
    assert len(rows) > 1
    assert {rate for (rate,) in rows} == {80 / len(rows)}
