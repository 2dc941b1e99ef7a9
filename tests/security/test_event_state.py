"""The states of its events that a writer can read, and of no others."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import psycopg
import pytest

from outbox_worker.stores import shard_state
from outbox_worker.stores.shard_state import ShardState, State
from tests.sql.old_events import publish_all
from tests.sql.test_ledger import PARK

if TYPE_CHECKING:
    from outbox_worker.stores import Connection

PUBLISH = "SELECT outbox.publish('t', %s, 'v', '1')"
STATE = "SELECT state, reason FROM outbox.event_state(%s)"
STATE_OF_DAY = "SELECT state, reason FROM outbox.event_state(%s, now())"


def publish(link: Connection, key: str = "k") -> uuid.UUID:
    row = link.execute(PUBLISH, (key,)).fetchone()
    assert row is not None
    event_id: uuid.UUID = row[0]
    return event_id


@pytest.mark.parametrize("ask", [STATE, STATE_OF_DAY])
def test_an_event_waits_and_is_published(
    connection: Connection, victim: Connection, ask: str
) -> None:
    event_id = publish(victim)
    assert victim.execute(ask, (event_id,)).fetchall() == [("waiting", None)]
    publish_all(connection)
    assert victim.execute(ask, (event_id,)).fetchall() == [("published", None)]
    later = publish(victim)
    assert victim.execute(ask, (later,)).fetchall() == [("waiting", None)]


def test_a_held_event_has_its_reason_and_those_behind_it_have_one(
    connection: Connection, victim: Connection
) -> None:
    first, second = publish(victim), publish(victim)
    other = publish(victim, "another key of another shard")
    row = connection.execute(
        "SELECT shard, id FROM outbox.event WHERE event_id = %s", (first,)
    ).fetchone()
    assert row is not None
    shard, number = row
    held = ShardState(State.HELD, "the topic does not exist", id=number)
    well = ShardState(State.UP_TO_DATE)
    shard_state.write_states(connection, "w", {shard: held, 15 - shard: well}, is_owner=True)
    assert victim.execute(STATE, (first,)).fetchall() == [("held", "the topic does not exist")]
    (state, reason) = victim.execute(STATE, (second,)).fetchall()[0]
    assert (state, reason) == ("waiting", "an earlier event of its shard is held")
    assert victim.execute(STATE, (other,)).fetchall() == [("waiting", None)]
    shard_state.write_states(connection, "w", {shard: well}, is_owner=True)
    assert victim.execute(STATE, (first,)).fetchall() == [("waiting", None)]


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("parked", ("parked", "too large")),
        ("redriving", ("parked", "too large")),
        ("discarded", ("discarded", "too large")),
        ("redriven", ("published", None)),
    ],
)
def test_of_a_dead_letter_its_writer_sees_what_became_of_it(
    connection: Connection, victim: Connection, state: str, told: tuple[str, str | None]
) -> None:
    event_id = publish(victim)
    publish_all(connection)
    connection.execute(PARK, (1_000,))
    connection.execute("UPDATE outbox.dead_letter_event SET state = %s", (state,))
    assert victim.execute(STATE, (event_id,)).fetchall() == [told]
    connection.execute("UPDATE outbox.dead_letter_event SET to_topic = 'other'")
    (shown,) = victim.execute(STATE, (event_id,)).fetchall()
    assert shown == (("published", "to topic other") if state == "redriven" else told)


def test_an_old_event_that_waits_is_found_behind_many_ids(
    connection: Connection, victim: Connection
) -> None:
    event_id = publish(victim)
    connection.execute("SELECT setval('outbox.event_id_seq', 1000000)")
    publish(victim)
    assert victim.execute(STATE, (event_id,)).fetchall() == [("waiting", None)]
    publish_all(connection)
    assert victim.execute(STATE, (event_id,)).fetchall() == []
    assert victim.execute(STATE_OF_DAY, (event_id,)).fetchall() == [("published", None)]


def test_of_the_event_of_another_writer_nothing_is_told(
    victim: Connection, attacker: Connection
) -> None:
    for event_id in (publish(victim), uuid.uuid4()):
        for ask in (STATE, STATE_OF_DAY):
            assert attacker.execute(ask, (event_id,)).fetchall() == []


@pytest.mark.parametrize(
    "order",
    [
        "SELECT * FROM outbox.find_event(gen_random_uuid())",
        "SELECT * FROM outbox.hold",
        "DELETE FROM outbox.hold",
        "SELECT * FROM outbox.position",
        "SELECT * FROM outbox.lag",
    ],
)
def test_a_writer_has_no_other_way_to_ask(attacker: Connection, order: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        attacker.execute(order.encode())


def test_asking_leaves_the_settings_of_the_session(victim: Connection) -> None:
    with victim.transaction():
        victim.execute(STATE_OF_DAY, (uuid.uuid4(),))
        victim.execute(STATE, (uuid.uuid4(),))
        assert victim.execute("SHOW enable_seqscan").fetchone() == ("on",)
        assert victim.execute("SHOW enable_bitmapscan").fetchone() == ("on",)


@pytest.mark.parametrize("ask", [STATE, STATE_OF_DAY])
def test_an_event_id_that_another_writer_copied_hides_nothing(
    connection: Connection, victim: Connection, attacker: Connection, ask: str
) -> None:
    event_id = uuid.uuid4()
    copied = "SELECT outbox.publish('t', 'k', 'v', '1', event_id => %s)"
    attacker.execute(copied, (event_id,))
    publish_all(connection)
    victim.execute(copied, (event_id,))
    assert victim.execute(ask, (event_id,)).fetchall() == [("waiting", None)]
    assert attacker.execute(ask, (event_id,)).fetchall() == [("published", None)]
