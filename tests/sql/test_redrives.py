"""The steps of a redrive over a real ledger; Kafka takes what its test lets it take."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest
from structlog.testing import capture_logs

from outbox_worker.position import codec
from outbox_worker.position.codec import PositionTooLargeError, encode
from outbox_worker.relay import redrive as product
from tests.harness.ledger_owner import Kafka, Owner, without_pauses

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from outbox_worker.position.position import Position
    from outbox_worker.stores import Connection

WRITE: Final = """
    INSERT INTO outbox.event (topic, key, type) VALUES (%s, %s, 'type') RETURNING event_id::text"""
PARK: Final = """
    INSERT INTO outbox.dead_letter_event
        (id, created_at, xid, shard, topic, key, event_id, type, reason, code, parked_by, number)
    SELECT id, created_at, xid, shard, topic, key, event_id, type, 'too large', 'LARGE', 'w', 0
    FROM outbox.event ON CONFLICT DO NOTHING"""
SAME_SHARD: Final = """
    SELECT key FROM (SELECT 'key ' || n AS key FROM generate_series(1, 1000) AS n) AS keys
    WHERE hashtextextended(key, 0) & 15 = hashtextextended('k', 0) & 15 LIMIT 4"""
STATES: Final = "SELECT event_id::text, state FROM outbox.dead_letter_event"
ORDERS: Final = "SELECT state, outcome FROM outbox.dead_letter_order ORDER BY id"
REDRIVE: Final = "SELECT outbox.redrive(topic => %s)"
REDRIVE_ALL: Final = "SELECT outbox.redrive(everything => true)"
PARK_TOPIC: Final = "SELECT outbox.park(topic => %s)"
DISCARD_TOPIC: Final = "SELECT outbox.discard(topic => %s)"
DISCARD_ALL: Final = "SELECT outbox.discard(everything => true)"
DISCARD: Final = "SELECT outbox.discard(event_id => %s)"


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> Kafka:
    return without_pauses(monkeypatch)


def write(connection: Connection, topic: str, *keys: str | None) -> list[str]:
    """Events that are parked; their event ids."""
    found = [connection.execute(WRITE, (topic, key)).fetchall()[0][0] for key in keys]
    connection.execute(PARK)
    return found


def states(connection: Connection) -> Mapping[str, str]:
    """By event id, what became of it."""
    return dict(connection.execute(STATES).fetchall())


def refusals(lines: Sequence[Mapping[str, Any]]) -> int:
    """How often the log says that a redrive was refused."""
    return [line["event"] for line in lines].count("redrive_refused")


def test_two_orders_over_an_event_that_is_refused_both_end(
    connection: Connection, kafka: Kafka
) -> None:
    kafka.closed_topics = {"missing"}
    write(connection, "missing", "k")
    owner = Owner(connection, kafka)
    for _ in range(2):
        connection.execute(REDRIVE, ("missing",))
    with capture_logs() as lines:
        owner.run(20)
    assert refusals(lines) <= 2
    outcome = "0 redriven, 1 refused: the topic does not exist"
    assert connection.execute(ORDERS).fetchall() == [("failed", outcome)] * 2
    kafka.closed_topics = set()
    connection.execute(REDRIVE, ("missing",))
    owner.run(5)
    assert set(states(connection).values()) == {"redriven"}


def test_an_order_counts_what_it_is_about_and_no_refusal_of_others(
    connection: Connection, kafka: Kafka
) -> None:
    kafka.closed_topics = {"missing"}
    write(connection, "open", "k")
    write(connection, "missing", "k")
    owner = Owner(connection, kafka)
    for topic in ("open", "missing"):
        connection.execute(REDRIVE, (topic,))
    owner.look()
    for _ in range(20):
        owner.step()
    found = [state for state, _ in connection.execute(ORDERS).fetchall()]
    assert found == ["done", "failed"]


def test_what_was_written_early_and_is_parked_late_is_redriven_by_the_same_order(
    connection: Connection, kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(product, "CHUNK", 1)
    (early,) = connection.execute(WRITE, ("t", "k")).fetchall()[0]
    (later,) = connection.execute(WRITE, ("t", "k")).fetchall()[0]
    connection.execute(PARK)
    connection.execute("DELETE FROM outbox.dead_letter_event WHERE event_id::text = %s", (early,))
    owner = Owner(connection, kafka)
    connection.execute(REDRIVE, ("t",))
    owner.look()
    owner.step()
    assert kafka.taken == [later]
    connection.execute(PARK)
    for _ in range(4):
        owner.step()
    assert kafka.taken == [later, early]
    assert connection.execute(ORDERS).fetchall() == [("done", "2 redriven")]


def test_nothing_of_a_key_goes_out_before_what_is_free_again_of_it(
    connection: Connection, kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first of a key is discarded while the order that it was refused is beyond it."""
    monkeypatch.setattr(product, "CHUNK", 2)
    first, second = write(connection, "t", "k", "k")
    keys = [key for (key,) in connection.execute(SAME_SHARD).fetchall()]
    others = write(connection, "t", *keys)
    (last,) = write(connection, "t", "k")
    owner = Owner(connection, kafka)
    connection.execute(REDRIVE, ("t",))
    connection.execute(
        "UPDATE outbox.dead_letter_event SET refused_in = (SELECT id FROM outbox.dead_letter_order "
        "WHERE shard = dead_letter_event.shard) WHERE event_id::text = %s",
        (first,),
    )
    owner.look()
    for _ in range(20):
        owner.step()
        if len(kafka.taken) == 2:
            break
    assert set(kafka.taken) < set(others)
    assert connection.execute(DISCARD, (first,)).fetchall() == [(1,)]
    owner.run(40)
    assert sorted(kafka.taken) == sorted([second, *others, last])
    assert kafka.taken.index(second) < kafka.taken.index(last)


def test_what_comes_after_an_event_that_was_parked_late_waits_for_it(
    connection: Connection, kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(product, "CHUNK", 1)
    events = write(connection, "t", *["k"] * 4)
    connection.execute("DELETE FROM outbox.dead_letter_event WHERE event_id::text = %s", events[:1])
    owner = Owner(connection, kafka)
    connection.execute(REDRIVE, ("t",))
    owner.look()
    owner.step()
    connection.execute(PARK)
    for _ in range(9):
        owner.step()
    second, first, *others = kafka.taken
    assert [first, second, *others] == events


@pytest.mark.parametrize("closed", [set(), {"held"}], ids=["taken", "refused"])
def test_a_transaction_that_discards_holds_up_its_own_events_alone(
    connection: Connection, database: str, kafka: Kafka, closed: set[str]
) -> None:
    kafka.closed_topics = closed
    (held,) = write(connection, "held", "k")
    (other,) = write(connection, "other", "k")
    owner = Owner(connection, kafka)
    connection.execute("SET statement_timeout = '20s'")
    for topic in ("held", "other"):
        connection.execute(REDRIVE, (topic,))
    with psycopg.connect(database) as person, capture_logs() as lines:
        person.execute(DISCARD, (held,))
        owner.run(8)
        assert kafka.taken == [other]
        assert [line["event"] for line in lines].count("redrive_waits") == 1
        person.rollback()
    owner.run(8)
    assert states(connection)[held] == ("parked" if closed else "redriven")
    found = [state for state, _ in connection.execute(ORDERS).fetchall()]
    assert found == ["failed" if closed else "done", "done"]


def fits(position: Position) -> bool:
    """Whether Kafka can keep it."""
    try:
        encode(position)
    except PositionTooLargeError:
        return False
    return True


@pytest.mark.parametrize("everything", [False, True])
def test_what_is_parked_after_the_word_that_ends_it_is_redriven(
    connection: Connection, kafka: Kafka, *, everything: bool
) -> None:
    """The worker of a topic that is parked as a whole hears half a second later that it is not."""
    connection.execute(PARK_TOPIC, ("t",))
    owner = Owner(connection, kafka)
    owner.look()
    assert [each.topic for each in owner.dead_letters.orders] == ["t"]
    connection.execute(REDRIVE_ALL if everything else REDRIVE, [] if everything else ["t"])
    late = write(connection, "t", *"abc")
    owner.run(40)
    assert not owner.dead_letters.orders
    assert sorted(kafka.taken) == sorted(late)
    assert states(connection) == dict.fromkeys(late, "redriven")


@pytest.mark.parametrize("everything", [False, True])
def test_what_is_parked_after_a_topic_was_discarded_is_redriven_and_nothing_else(
    connection: Connection, kafka: Kafka, *, everything: bool
) -> None:
    (other,) = write(connection, "other", "k")
    connection.execute(PARK_TOPIC, ("t",))
    early = write(connection, "t", *"abc")
    owner = Owner(connection, kafka)
    owner.look()
    statement = DISCARD_ALL if everything else DISCARD_TOPIC
    done = connection.execute(statement, [] if everything else ["t"]).fetchall()
    assert done == [(4 if everything else 3,)]
    late = write(connection, "t", *"abc")
    owner.run(40)
    found = {**dict.fromkeys(early, "discarded"), **dict.fromkeys(late, "redriven")}
    assert states(connection) == {**found, other: "discarded" if everything else "parked"}
    open_ones = [state for state, _ in connection.execute(ORDERS).fetchall() if state == "open"]
    assert open_ones == []


def test_of_a_shard_that_is_new_it_is_asked_at_once_what_people_want(
    connection: Connection, kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(product, "LOOK_S", 60.0)
    owner = Owner(connection, kafka)
    whole, owner.committed = owner.committed, {}
    owner.committed[0] = whole[0]
    owner.look()
    connection.execute(PARK_TOPIC, ("t",))
    owner.look()
    assert owner.dead_letters.orders == []
    owner.committed |= whole
    owner.look()
    assert [each.topic for each in owner.dead_letters.orders] == ["t"]


def nearly_full(position: Position, monkeypatch: pytest.MonkeyPatch) -> Position:
    """The largest position of all: it fits as it is, and no more once it rests on the ledger."""
    for length in range(50, 53):
        found = replace(position, owner="w" * length)
        monkeypatch.setattr(codec, "LARGEST", len(encode(found)))
        if not fits(replace(found, ledger=1)):
            return found
    raise AssertionError


def test_a_position_without_room_for_a_redrive_holds_up_its_shard_alone(
    connection: Connection, kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    (full,) = write(connection, "full", "k")
    (other,) = write(connection, "other", "another key")
    owner = Owner(connection, kafka)
    ((shard,),) = connection.execute(
        "SELECT shard FROM outbox.event WHERE event_id::text = %s", (full,)
    ).fetchall()
    stored = owner.committed[shard]
    owner.committed[shard] = replace(stored, position=nearly_full(stored.position, monkeypatch))
    for topic in ("full", "other"):
        connection.execute(REDRIVE, (topic,))
    with capture_logs() as lines:
        owner.run(8)
    assert states(connection) == {full: "parked", other: "redriven"}
    assert [line["event"] for line in lines].count("too_many_transactions_in_progress") == 1
    owner.committed[shard] = stored
    owner.run(4)
    assert kafka.taken == [other, full]


def test_after_an_interruption_an_order_begins_with_its_first_event_again(
    connection: Connection, kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(product, "CHUNK", 2)
    events = write(connection, "t", *["k"] * 7)
    owner = Owner(connection, kafka)
    connection.execute(REDRIVE, ("t",))
    owner.look()
    owner.step()
    kafka.away = 2
    for _ in range(8):
        owner.step()
    assert kafka.taken == events
    assert connection.execute(ORDERS).fetchall() == [("done", "7 redriven")]
