"""What the owner of the schema lets each role write."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import psycopg
import pytest

from outbox_worker.postgres import database as connections
from tests.harness.waiting import patient
from tests.security.conftest import logged_in

if TYPE_CHECKING:
    from outbox_worker.stores import Connection

WRITES = (
    "SELECT outbox.publish(%s, 'k', 'v', '1')",
    "SELECT outbox.publish(%s, 'k', 'v', '1', idempotency_key => 'i')",
    "SELECT outbox.publish_bytes(%s, 'k', 'v', '1')",
    "INSERT INTO outbox.event (topic, type) VALUES (%s, 'v')",
    "INSERT INTO outbox.event (topic, type) SELECT t, 'v' FROM unnest(ARRAY[%s, 'orders.a']) AS t",
)
ASKS = (
    "SELECT outbox.submit(%s, 'k', '{}', %s)",
    "SELECT outbox.submit(%s, 'k', '{}', %s, command_id => gen_random_uuid())",
    "INSERT INTO outbox.command (type, key, actor, payload) VALUES (%s, 'k', %s, '{}')",
)
LET_TOPIC = "INSERT INTO outbox.topic_right (role, topic) VALUES (%s::regrole, %s)"
LET_COMMAND = "INSERT INTO outbox.command_right (role, type, actor) VALUES (%s::regrole, %s, %s)"


def may_write(link: Connection, topic: str) -> bool:
    """Whether each way of writing to the topic works; all are the same."""
    found = set()
    for order in WRITES:
        try:
            with link.transaction(force_rollback=True):
                link.execute(order.encode(), (topic,))
            found.add("")
        except psycopg.errors.InsufficientPrivilege as error:
            found.add(str(error.diag.message_primary))
    (refusal,) = found
    assert refusal in {"", f"TOPIC_NOT_GRANTED: {link.info.user} may not write to topic {topic}"}
    return not refusal


def may_submit(link: Connection, kind: str, actor: str) -> bool:
    """Whether each way of submitting the command works; all are the same."""
    found = set()
    for order in ASKS:
        try:
            with link.transaction(force_rollback=True):
                link.execute(order.encode(), (kind, actor))
            found.add("")
        except psycopg.errors.InsufficientPrivilege as error:
            found.add(str(error.diag.message_primary))
    (refusal,) = found
    words = f"COMMAND_NOT_GRANTED: {link.info.user} may not submit {kind} for actor {actor}"
    assert refusal in {"", words}
    return not refusal


def test_nothing_filled_everybody_writes_everything(victim: Connection) -> None:
    assert may_write(victim, "orders")
    assert may_submit(victim, "CreateClass", "teacher")


def test_a_topic_is_written_by_whom_it_was_granted_to(
    connection: Connection, victim: Connection, attacker: Connection
) -> None:
    connection.execute(LET_TOPIC, ("victim", "orders.*"))
    assert may_write(victim, "orders.placed")
    assert not may_write(victim, "orders")
    assert not may_write(victim, "payments")
    assert not may_write(attacker, "orders.placed")
    assert not may_write(attacker, "orders.a")
    assert may_submit(attacker, "CreateClass", "teacher")
    connection.execute("DELETE FROM outbox.topic_right")
    assert may_write(attacker, "orders.placed")


def test_a_copy_is_checked_too(connection: Connection, attacker: Connection) -> None:
    connection.execute(LET_TOPIC, ("victim", "*"))
    with (
        pytest.raises(psycopg.errors.InsufficientPrivilege, match="TOPIC_NOT_GRANTED"),
        attacker.cursor() as cursor,
        cursor.copy("COPY outbox.event (topic, type) FROM STDIN") as to,
    ):
        to.write(b"orders\tv\n")


def test_a_command_is_submitted_by_whom_type_and_actor_were_granted_to(
    connection: Connection, victim: Connection, attacker: Connection
) -> None:
    connection.execute(LET_COMMAND, ("victim", "Create*", "teacher-*"))
    connection.execute(LET_COMMAND, ("attacker", "Delete*", "teacher-1"))
    assert may_submit(victim, "CreateClass", "teacher-1")
    assert not may_submit(victim, "CreateClass", "admin")
    assert not may_submit(victim, "DeleteClass", "teacher-1")
    assert not may_submit(attacker, "CreateClass", "teacher-1")
    assert may_submit(attacker, "DeleteClass", "teacher-1")
    assert may_write(attacker, "orders")


@pytest.mark.parametrize(
    ("pattern", "topic", "fits"),
    [
        ("a.b", "a.b", True),
        ("a.b", "aXb", False),
        ("a_b", "aXb", False),
        ("*", "anything", True),
        ("a*c*", "abc", True),
        ("a*c", "abcd", False),
        ("%", "anything", False),
    ],
)
def test_only_the_asterisk_stands_for_other_characters(
    connection: Connection, victim: Connection, pattern: str, topic: str, fits: bool
) -> None:
    connection.execute(LET_TOPIC, ("victim", "orders.a"))
    connection.execute(LET_TOPIC, ("victim", pattern))
    assert may_write(victim, topic) is fits


def test_a_right_of_a_role_is_one_of_its_members(
    connection: Connection, attacker: Connection
) -> None:
    connection.execute(LET_TOPIC, ("outbox_reader", "orders"))
    assert not may_write(attacker, "orders.a")
    connection.execute(LET_TOPIC, ("outbox_writer", "orders*"))
    assert may_write(attacker, "orders")


def test_a_login_that_sets_its_role_is_itself(connection: Connection, database: str) -> None:
    """NOINHERIT: its rights come with SET ROLE, those to topics with its membership."""
    connection.execute(
        "DO $$ BEGIN CREATE ROLE sets_role LOGIN NOINHERIT IN ROLE outbox_writer; "
        "EXCEPTION WHEN duplicate_object THEN NULL; END $$"
    )
    with logged_in(database, "sets_role") as link:
        link.execute("SET ROLE outbox_writer")
        assert may_write(link, "orders")
        connection.execute(LET_TOPIC, ("victim", "*"))
        assert not may_write(link, "orders.a")


def test_workers_and_the_owner_need_no_right(connection: Connection, database: str) -> None:
    connection.execute(LET_TOPIC, ("victim", "nothing"))
    connection.execute(LET_COMMAND, ("victim", "Nothing", "*"))
    with logged_in(database, "working_login") as worker:
        for link in (connection, worker):
            assert may_write(link, "orders")
            assert may_submit(link, "CreateClass", "teacher")


@pytest.mark.parametrize(
    "order",
    [
        "INSERT INTO outbox.topic_right (role, topic) VALUES ('attacker', '*')",
        "DELETE FROM outbox.topic_right",
        "TRUNCATE outbox.command_right",
        "INSERT INTO outbox.command_right (role, type) VALUES ('attacker', '*')",
        "SELECT * FROM outbox.topic_right",
        "INSERT INTO outbox.source (role, source) VALUES ('attacker', '/victim')",
        "ALTER TABLE outbox.event DISABLE TRIGGER validate_event",
        "SET session_replication_role = replica",
        "GRANT REFERENCES ON outbox.all_topics TO attacker",
        "SELECT outbox.needs_right('outbox.event')",
    ],
)
def test_no_writer_gives_itself_a_right(
    connection: Connection, attacker: Connection, order: str
) -> None:
    connection.execute(LET_TOPIC, ("victim", "orders"))
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        attacker.execute(order.encode())
    assert not may_write(attacker, "orders.a")


def test_operators_and_functions_of_an_attackers_own_change_nothing(
    connection: Connection, attacker: Connection
) -> None:
    connection.execute(LET_TOPIC, ("victim", "orders"))
    connection.execute("CREATE SCHEMA evil AUTHORIZATION attacker")
    attacker.execute("SET search_path = evil, pg_catalog")
    attacker.execute(
        "CREATE FUNCTION evil.yes(text, text) RETURNS boolean LANGUAGE sql RETURN true"
    )
    attacker.execute(
        "CREATE FUNCTION evil.has_table_privilege(name, oid, text) RETURNS boolean "
        "LANGUAGE sql RETURN true"
    )
    attacker.execute(
        "CREATE OPERATOR evil.~~ (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.yes)"
    )
    assert not may_write(attacker, "orders.a")


def test_whoever_fills_the_table_waits_for_whoever_empties_it(
    connection: Connection, database: str, attacker: Connection
) -> None:
    """Or the last to commit would leave the mark that it saw: none needs a right."""
    connection.execute(LET_TOPIC, ("victim", "orders"))
    with connections.connect(database, application="second") as second:
        thread = threading.Thread(
            target=lambda: second.execute("DELETE FROM outbox.topic_right WHERE topic = 'orders'")
        )
        with connection.transaction():
            connection.execute(LET_TOPIC, ("victim", "payments"))
            thread.start()
            thread.join(0.3)
            assert thread.is_alive()
        thread.join(patient(20))
    assert not may_write(attacker, "orders.a")


def test_rights_are_changed_in_read_committed_only(connection: Connection) -> None:
    connection.execute("SET default_transaction_isolation = 'repeatable read'")
    with pytest.raises(psycopg.DatabaseError, match="READ COMMITTED only"):
        connection.execute(LET_TOPIC, ("victim", "orders"))
