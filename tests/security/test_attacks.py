"""What a writer tries against the events and commands of another one, and against the worker."""

from __future__ import annotations

import uuid
from itertools import product
from typing import TYPE_CHECKING, Final

import psycopg
import pytest
from psycopg.types.json import Jsonb

from outbox_school.school import school
from outbox_worker.maintenance import partitions
from outbox_worker.postgres import migrations
from outbox_worker.stores import partition
from tests.security.conftest import logged_in
from tests.sql.old_events import count, insert, make_day, publish_all, run

if TYPE_CHECKING:
    from outbox_worker.stores import Connection

SUBMIT: Final = "SELECT outbox.submit('CreateClass', 'k', %s, 'teacher', command_id => %s)"
LEAK: Final = """
    CREATE FUNCTION evil.leak(payload jsonb) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$
    BEGIN RAISE WARNING 'seen: %', payload; RETURN true; END $$"""


@pytest.fixture
def secret(connection: Connection, victim: Connection) -> uuid.UUID:
    """The id of a finished command of the victim, which also wrote an event."""
    command_id = uuid.uuid4()
    victim.execute(SUBMIT, (Jsonb({"name": "secret"}), command_id))
    victim.execute("SELECT outbox.publish('orders', 'secret', 'secret', '\"secret\"')")
    connection.execute(
        "UPDATE outbox.command SET status = 'succeeded', result = '{\"id\": \"secret\"}', "
        "finished_at = now()"
    )
    connection.execute("ANALYZE outbox.command, outbox.event")
    return command_id


ORDERS: Final = [
    # Seen
    "SELECT topic, key FROM outbox.event",
    "SELECT ctid FROM outbox.event",
    "SELECT e FROM outbox.event AS e",
    "TABLE outbox.event_default",
    "COPY (SELECT payload FROM outbox.event) TO STDOUT",
    "SELECT outbox.has_unpublished(current_date)",
    # Changed
    "UPDATE outbox.event SET payload = NULL",
    "UPDATE outbox.command SET status = 'rejected'",
    "SELECT FROM outbox.command FOR KEY SHARE",
    (
        "INSERT INTO outbox.command (command_id, type, key, actor, payload) "
        "VALUES (gen_random_uuid(), 't', 'k', 'a', '{}') "
        "ON CONFLICT (command_id) DO UPDATE SET payload = '{}'"
    ),
    "UPDATE outbox.position SET batch = 0",
    "INSERT INTO outbox.purged (id, xid) VALUES (1, '3')",
    "UPDATE outbox.topic SET topic_id = ''",
    # Swallowed
    "DELETE FROM outbox.event",
    "DELETE FROM outbox.command",
    "TRUNCATE outbox.event",
    "DELETE FROM outbox.idempotency_key",
    (
        "INSERT INTO outbox.idempotency_key (topic, key, event_id) "
        "VALUES ('orders', 'next', gen_random_uuid())"
    ),
    "SELECT outbox.drop_partition(current_date)",
    "SELECT setval('outbox.event_id_seq', 1)",
    "SELECT setval('outbox.command_seq_seq', 1)",
    # Forged
    "INSERT INTO outbox.event (topic, type, id) VALUES ('orders', 'v', 1)",
    "INSERT INTO outbox.event (topic, type, created_at) VALUES ('orders', 'v', now())",
    "INSERT INTO outbox.event_default (topic, type) VALUES ('orders', 'v')",
    (
        "INSERT INTO outbox.command (type, key, actor, payload, status, result, finished_at) "
        "VALUES ('t', 'k', 'a', '{}', 'succeeded', '{}', now())"
    ),
    "SET ROLE outbox_worker",
    "SET ROLE victim",
    # Stopped
    "LOCK TABLE outbox.event IN SHARE MODE",
    "LOCK TABLE outbox.command IN SHARE MODE",
    (
        "CREATE TRIGGER stop BEFORE INSERT ON outbox.event "
        "FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()"
    ),
    "CREATE RULE stop AS ON INSERT TO outbox.event DO INSTEAD NOTHING",
    "CREATE TABLE evil.keeps (command_id uuid REFERENCES outbox.command)",
    "CREATE INDEX ON outbox.event (topic)",
    "CREATE TABLE outbox.mine ()",
    "CREATE PUBLICATION mine FOR TABLE outbox.event",
]


def is_refused(link: Connection, order: str) -> bool:
    try:
        with link.transaction(force_rollback=True):
            link.execute(order.encode())
    except psycopg.errors.InsufficientPrivilege:
        return True
    return False


def test_nothing_of_others_is_read_changed_deleted_forged_or_locked(
    connection: Connection, attacker: Connection, secret: uuid.UUID
) -> None:
    connection.execute("CREATE SCHEMA evil AUTHORIZATION attacker")
    assert [order for order in ORDERS if not is_refused(attacker, order)] == []


LOOKS: Final = [
    "SELECT * FROM outbox.command",
    "SELECT * FROM outbox.command WHERE key = 'k' AND status = 'succeeded'",
    "SELECT count(*) FROM outbox.command HAVING count(*) > 0",
    # The most common values that ANALYZE keeps.
    (
        "SELECT most_common_vals FROM pg_stats WHERE schemaname = 'outbox' AND "
        "(tablename = 'command' OR most_common_vals::text LIKE '%secret%')"
    ),
    "SELECT query FROM pg_stat_activity WHERE usename = 'victim' AND query LIKE '%secret%'",
]


def test_rows_of_others_are_seen_by_no_way_round(attacker: Connection, secret: uuid.UUID) -> None:
    assert [attacker.execute(look.encode()).fetchall() for look in LOOKS] == [[]] * len(LOOKS)


def test_a_copy_of_the_commands_holds_the_callers_own(
    attacker: Connection, secret: uuid.UUID
) -> None:
    mine = uuid.uuid4()
    attacker.execute(SUBMIT, (Jsonb({}), mine))
    with attacker.cursor().copy("COPY outbox.command (command_id) TO STDOUT") as copy:
        assert [bytes(line) for line in copy] == [f"{mine}\n".encode()]


def test_a_function_of_the_attackers_is_not_given_rows_of_others(
    connection: Connection, attacker: Connection, secret: uuid.UUID
) -> None:
    """However cheap it says it is, the policy comes first."""
    connection.execute("CREATE SCHEMA evil AUTHORIZATION attacker")
    attacker.execute(LEAK)
    said: list[str | None] = []
    attacker.add_notice_handler(lambda notice: said.append(notice.message_primary))
    attacker.execute("SELECT FROM outbox.command WHERE evil.leak(payload)")
    assert said == []


def test_tables_of_the_attackers_stand_in_for_none_of_the_schema(
    connection: Connection, attacker: Connection
) -> None:
    """Of the session's temporary schema, which is searched first unless it is named last."""
    for name in ("event", "command", "idempotency_key", "topic_right", "command_right"):
        attacker.execute(f"CREATE TEMP TABLE {name} (topic text, key text, writer text)".encode())
    attacker.execute("SET search_path = pg_temp, outbox")
    attacker.execute("SELECT outbox.publish('orders', 'k', 'v', '1', idempotency_key => 'i')")
    attacker.execute(SUBMIT, (Jsonb({}), uuid.uuid4()))
    for table in ("event", "command", "idempotency_key"):
        order = f"SELECT writer FROM outbox.{table}"  # noqa: S608  of this file
        assert connection.execute(order.encode()).fetchall() == [("attacker",)]


SHADOWS: Final = (
    # `hashtextextended('...', 0)`, of the locks of `migrate` and of commands
    "FUNCTION public.hashtextextended(text, integer) RETURNS bigint",
    # `right(relname, 8)`, of the list of partitions
    "FUNCTION public.right(name, integer) RETURNS text",
)
SHADOW: Final = """CREATE {} LANGUAGE plpgsql AS $$
    BEGIN RAISE WARNING 'as %', current_user; RETURN 1; END $$"""


def test_functions_of_the_attackers_run_in_no_session_of_ours(
    connection: Connection, database: str, attacker: Connection
) -> None:
    """In databases from before Postgres 15 every login may create in the schema `public`."""
    connection.execute("GRANT CREATE ON SCHEMA public TO attacker")
    for shadow in SHADOWS:
        attacker.execute(SHADOW.format(shadow).encode())
    said: list[str | None] = []
    with logged_in(database, "working_login") as worker:
        for link in (connection, worker):
            link.add_notice_handler(lambda notice: said.append(notice.message_primary))
        migrations.apply(connection, school.tables)
        partitions.run_once(worker)
    assert said == []


DEPENDENTS: Final = (
    "CREATE TEMP TABLE keeps (day outbox.{})",
    "CREATE TEMP VIEW keeps AS SELECT (NULL::outbox.{}) IS NULL AS x",
    "CREATE FUNCTION pg_temp.keeps(outbox.{}) RETURNS integer LANGUAGE sql AS 'SELECT 1'",
)


@pytest.mark.parametrize("order", DEPENDENTS)
def test_nothing_made_of_a_partitions_row_type_keeps_the_day(
    connection: Connection, database: str, attacker: Connection, order: str
) -> None:
    day = make_day(connection)
    insert(connection, 100)
    publish_all(connection)
    attacker.execute(order.format(f"event_{day:%Y%m%d}").encode())
    with logged_in(database, "purging_login") as purge:
        assert run(purge).days == {day: 100}
    assert count(connection) == 0
    assert day not in partition.list_partitions(connection)
    left = connection.execute(
        "SELECT pg_relation_size(%s::regclass)", (f"outbox.event_{day:%Y%m%d}",)
    )
    assert left.fetchone() == (0,)


def test_nobody_ends_the_session_of_another(
    database: str, attacker: Connection, victim: Connection
) -> None:
    with logged_in(database, "working_login") as worker:
        for other in (victim, worker):
            for stop in ("pg_cancel_backend", "pg_terminate_backend"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    attacker.execute(f"SELECT {stop}(%s)".encode(), (other.info.backend_pid,))
            other.execute("SELECT outbox.publish('orders', 'k', 'v', '1')")


FORGED: Final = ("ce_source", "CE_Source", "ce_id", "ce_time", "content-type")


WRITES: Final = (
    "SELECT outbox.publish('orders', 'k', 'v', '1', headers => %s)",
    "SELECT outbox.publish_bytes('orders', 'k', 'v', '1', headers => %s)",
    "INSERT INTO outbox.event (topic, type, headers) VALUES ('orders', 'v', %s)",
)


def test_nobody_forges_what_the_worker_says_of_an_event(attacker: Connection) -> None:
    for order, name in product(WRITES, FORGED):
        with pytest.raises(psycopg.errors.CheckViolation) as caught:
            attacker.execute(order.encode(), (Jsonb({name: "/victim"}),))
        assert caught.value.diag.constraint_name == "event_headers_leave_ours_alone"
