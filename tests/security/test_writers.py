"""What one writer may do to another's events, keys and commands: nothing."""

from __future__ import annotations

import threading
import uuid
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.harness.waiting import patient
from tests.security.conftest import logged_in

if TYPE_CHECKING:
    from outbox_worker.stores import Connection

PUBLISH = "SELECT outbox.publish('orders', %s, %s, %s, idempotency_key => %s, headers => %s)"
SUBMIT = "SELECT outbox.submit(%s, %s, %s, %s, command_id => %s)"


def publish(
    link: Connection,
    idempotency_key: str | None = "place-1",
    *,
    key: str = "k",
    kind: str = "placed",
    payload: object = 1,
    headers: object = None,
) -> uuid.UUID:
    sent = None if headers is None else Jsonb(headers)
    row = link.execute(PUBLISH, (key, kind, Jsonb(payload), idempotency_key, sent)).fetchone()
    assert row is not None
    event_id: uuid.UUID = row[0]
    return event_id


def submit(link: Connection, command_id: uuid.UUID, actor: str = "teacher") -> None:
    link.execute(SUBMIT, ("CreateClass", "k", Jsonb({"name": "7B"}), actor, command_id))


def writers(connection: Connection, table: str = "event") -> list[Any]:
    order = f"SELECT writer FROM outbox.{table} ORDER BY 1"  # noqa: S608  of this file
    return [row[0] for row in connection.execute(order.encode())]


def test_a_key_that_another_writer_used_first_swallows_nothing(
    connection: Connection, victim: Connection, attacker: Connection
) -> None:
    taken = publish(attacker)
    mine = publish(victim)
    assert mine != taken
    assert publish(victim) == mine
    assert publish(attacker) == taken
    assert writers(connection) == ["attacker", "victim"]


def test_an_open_transaction_of_another_writer_with_the_key_holds_nobody(
    victim: Connection, attacker: Connection
) -> None:
    victim.execute("SET lock_timeout = '50ms'")
    with attacker.transaction():
        publish(attacker)
        publish(victim)


@pytest.mark.parametrize(
    "other",
    [
        {"key": "other"},
        {"kind": "cancelled"},
        {"payload": 2},
        {"headers": {"tenant": "b"}},
    ],
)
def test_a_known_key_with_other_content_is_an_error(
    connection: Connection, victim: Connection, other: dict[str, Any]
) -> None:
    publish(victim)
    with pytest.raises(psycopg.DatabaseError, match="IDEMPOTENCY_KEY_REUSED") as caught:
        publish(victim, **other)
    assert caught.value.sqlstate == "OB004"
    assert "place-1" in str(caught.value)
    assert caught.value.diag.message_hint
    assert len(writers(connection)) == 1


def test_a_tombstone_is_other_content_than_an_empty_payload(victim: Connection) -> None:
    order = "SELECT outbox.publish_bytes('orders', 'k', 'v', %s::bytea, idempotency_key => 'i')"
    victim.execute(order, (b"",))
    with pytest.raises(psycopg.DatabaseError, match="IDEMPOTENCY_KEY_REUSED"):
        victim.execute(order, (None,))


def test_the_trace_of_a_retry_is_no_content(connection: Connection, victim: Connection) -> None:
    first = publish(victim, headers={"tenant": "a", "traceparent": "00-1", "correlation-id": "1"})
    again = {"tenant": "a", "traceparent": "00-2", "tracestate": "x=1", "baggage": "b=2"}
    assert publish(victim, headers=again) == first
    assert len(writers(connection)) == 1


def error_beside_an_open_transaction(
    database: str, victim: Connection, timeout: str, order: str, given: tuple[object, ...]
) -> psycopg.Error:
    """What a second call of the same writer gets while the first one's transaction is open."""
    caught: list[psycopg.Error] = []

    def call() -> None:
        with logged_in(database, "victim") as second:
            second.execute(f"SET lock_timeout = '{timeout}'".encode())
            try:
                second.execute(order.encode(), given)
            except psycopg.Error as error:
                caught.append(error)

    with victim.transaction():
        victim.execute(order.encode(), given)
        thread = threading.Thread(target=call)
        thread.start()
        thread.join(patient(20))
        assert not thread.is_alive()
    (error,) = caught
    return error


KEY_IN_USE = (
    "IDEMPOTENCY_KEY_IN_USE: another transaction that used the idempotency key "
    '"place-1" for topic orders has not ended'
)
ID_IN_USE = (
    f"COMMAND_ID_IN_USE: another transaction that submitted command {uuid.UUID(int=7)} "
    "has not ended"
)
CALLS: dict[str, tuple[str, tuple[object, ...]]] = {
    KEY_IN_USE: (PUBLISH, ("k", "placed", Jsonb(1), "place-1", None)),
    ID_IN_USE: (SUBMIT, ("CreateClass", "k", Jsonb({}), "teacher", uuid.UUID(int=7))),
}


@pytest.mark.parametrize(("timeout", "waited"), [("0", "2s"), ("70ms", "70ms")])
@pytest.mark.parametrize("words", CALLS)
def test_a_second_call_waits_for_a_while_and_says_for_what(
    database: str, victim: Connection, words: str, timeout: str, waited: str
) -> None:
    error = error_beside_an_open_transaction(database, victim, timeout, *CALLS[words])
    assert error.sqlstate == "55P03"
    assert error.diag.message_primary == words
    assert f"Waited for {waited}" in str(error.diag.message_detail)
    assert "Run the transaction again" in str(error.diag.message_hint)


def test_the_callers_lock_timeout_stays_as_it_was(victim: Connection) -> None:
    for given in ("0", "3s"):
        victim.execute(f"SET lock_timeout = '{given}'".encode())
        with victim.transaction():
            publish(victim, f"with {given}")
            submit(victim, uuid.uuid4())
            assert victim.execute("SHOW lock_timeout").fetchone() == (given,)


SUBTRANSACTIONS = """
    SELECT (pg_stat_get_backend_subxact(n)).subxact_count FROM pg_stat_get_backend_idset() AS n
    WHERE pg_stat_get_backend_pid(n) = pg_backend_pid()"""
LOCKS = """
    SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database =
    (SELECT oid FROM pg_database WHERE datname = current_database())"""


def test_a_key_alone_costs_no_subtransaction(victim: Connection) -> None:
    with victim.transaction():
        for number in range(200):
            publish(victim, f"key {number}")
        assert victim.execute(SUBTRANSACTIONS).fetchone() == (0,)


def test_many_keys_beside_many_do_not_overflow_subtransactions(
    victim: Connection, attacker: Connection
) -> None:
    """More than 64 make the snapshots of every session slower."""
    with attacker.transaction(), victim.transaction():
        for number in range(400):
            publish(attacker, f"key {number}")
        for number in range(200):
            publish(victim, f"key {number}")
        row = victim.execute(SUBTRANSACTIONS).fetchone()
    assert row is not None
    assert 0 < row[0] <= 64


def test_keys_take_a_bounded_part_of_the_lock_table(
    connection: Connection, victim: Connection
) -> None:
    with victim.transaction():
        for number in range(1_000):
            publish(victim, f"key {number}")
        row = connection.execute(LOCKS).fetchone()
    assert row is not None
    assert 64 < row[0] <= 128


def test_who_holds_the_locks_of_keys_stops_nobody(
    connection: Connection, victim: Connection, attacker: Connection
) -> None:
    """Advisory locks are open to every login: they save a subtransaction, and guard nothing."""
    attacker.execute(
        "SELECT pg_advisory_lock(hashtext('outbox-worker idempotency keys'), n) "
        "FROM generate_series(0, 127) AS n"
    )
    victim.execute("SET lock_timeout = '50ms'")
    mine = publish(victim)
    assert publish(victim) == mine
    assert writers(connection) == ["victim"]


def test_a_key_from_before_the_update_counts_for_every_writer_of_its_topic(
    connection: Connection, victim: Connection
) -> None:
    kept = uuid.uuid4()
    connection.execute(
        "INSERT INTO outbox.unowned_idempotency_key (topic, key, event_id) "
        "VALUES ('orders', 'place-1', %s)",
        (kept,),
    )
    assert publish(victim, payload="whatever") == kept
    assert writers(connection) == []


def test_a_call_that_waited_for_the_update_is_never_a_second_event(connection: Connection) -> None:
    """The old body of the function gives no digest: it may not repeat a key that it cannot see."""
    with pytest.raises(psycopg.errors.SerializationFailure, match="updated during this call"):
        connection.execute(
            "INSERT INTO outbox.idempotency_key (topic, key, event_id) "
            "VALUES ('t', 'new', gen_random_uuid())"
        )


def test_whoever_wrote_is_written_down(connection: Connection, victim: Connection) -> None:
    publish(victim, None)
    publish(victim)
    victim.execute("INSERT INTO outbox.event (topic, type) VALUES ('orders', 'v')")
    with victim.cursor() as cursor, cursor.copy("COPY outbox.event (topic, type) FROM STDIN") as to:
        to.write(b"orders\tv\n")
    submit(victim, uuid.uuid4())
    victim.execute(
        "INSERT INTO outbox.command (type, key, actor, payload) VALUES ('t', 'k', 'a', '{}')"
    )
    assert writers(connection) == ["victim"] * 4
    assert writers(connection, "command") == ["victim"] * 2


def test_a_role_that_is_set_does_not_hide_the_login(
    connection: Connection, attacker: Connection
) -> None:
    with attacker.transaction():
        attacker.execute("SET LOCAL ROLE outbox_writer")
        publish(attacker, None)
    assert writers(connection) == ["attacker"]


@pytest.mark.parametrize(
    "order",
    [
        "INSERT INTO outbox.event (topic, type, writer) VALUES ('orders', 'v', 'victim')",
        "INSERT INTO outbox.command (type, key, actor, writer) VALUES ('t', 'k', 'a', 'victim')",
        "COPY outbox.event (topic, type, writer) FROM STDIN",
        "UPDATE outbox.command SET writer = 'victim'",
        "SET SESSION AUTHORIZATION victim",
        "SELECT writer FROM outbox.event",
        "SELECT event_id FROM outbox.idempotency_key",
        "SELECT event_id FROM outbox.unowned_idempotency_key",
    ],
)
def test_nobody_writes_as_somebody_else(attacker: Connection, order: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        attacker.execute(order.encode())


def test_a_writer_sees_its_own_commands_only(
    connection: Connection, database: str, victim: Connection, attacker: Connection
) -> None:
    mine = uuid.uuid4()
    submit(victim, mine)
    connection.execute(
        "UPDATE outbox.command SET status = 'succeeded', result = '{}', finished_at = now()"
    )
    seen = "SELECT command_id, result FROM outbox.command"
    assert victim.execute(seen).fetchall() == [(mine, {})]
    assert attacker.execute(seen).fetchall() == []
    for login in ("working_login", "reading_login"):
        with logged_in(database, login) as link:
            assert link.execute(seen).fetchall() == [(mine, {})]


def test_a_command_from_before_the_update_is_read_as_before(
    connection: Connection, victim: Connection
) -> None:
    submit(connection, uuid.uuid4())
    assert victim.execute("SELECT FROM outbox.command").fetchall() == []
    connection.execute("UPDATE outbox.command SET writer = NULL")
    assert len(victim.execute("SELECT FROM outbox.command").fetchall()) == 1


def test_a_role_that_is_no_writer_reads_what_it_was_granted(connection: Connection) -> None:
    submit(connection, uuid.uuid4())
    with connection.transaction(force_rollback=True):
        connection.execute("CREATE ROLE monitoring")
        connection.execute("GRANT USAGE ON SCHEMA outbox TO monitoring")
        connection.execute("GRANT SELECT ON outbox.command TO monitoring")
        connection.execute("SET LOCAL ROLE monitoring")
        assert len(connection.execute("SELECT FROM outbox.command").fetchall()) == 1


def test_a_command_id_of_another_writer_is_refused_in_the_same_words(
    connection: Connection, victim: Connection, attacker: Connection
) -> None:
    """Whether the content is the same is not to be found out."""
    mine = uuid.uuid4()
    submit(victim, mine)
    said = set()
    for actor in ("teacher", "guess"):
        with pytest.raises(psycopg.DatabaseError, match="COMMAND_ID_REUSED") as caught:
            submit(attacker, mine, actor)
        said.add(str(caught.value))
    assert len(said) == 1
    submit(victim, mine)
    assert writers(connection, "command") == ["victim"]


@pytest.mark.parametrize(
    "topic", ["__anything", "__consumer_offsets", "outbox.shards", "outbox_shards"]
)
def test_topics_of_kafka_and_of_the_workers_are_refused(attacker: Connection, topic: str) -> None:
    for order in (
        "SELECT outbox.publish(%s, 'k', 'v', '1')",
        "SELECT outbox.publish_bytes(%s, 'k', 'v', '1')",
        "INSERT INTO outbox.event (topic, type) VALUES (%s, 'v')",
    ):
        with pytest.raises(psycopg.errors.CheckViolation) as caught:
            attacker.execute(order.encode(), (topic,))
        assert caught.value.diag.constraint_name == "event_topic_is_not_internal"
