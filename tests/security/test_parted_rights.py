"""A login with one part of a worker's rights tries what the others do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import psycopg
import pytest

from tests.security.conftest import logged_in
from tests.sql.old_events import insert
from tests.sql.test_ledger import PARK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from outbox_worker.stores import Connection

REMOVE: Final = {
    "DELETE FROM outbox.event",
    "DELETE FROM outbox.event_default",
    "TRUNCATE outbox.event",
    "DROP TABLE outbox.event",
    "DROP TABLE outbox.event_default",
    "SELECT outbox.drop_partition(current_date)",
    "SELECT outbox.purge_default(0, now(), 1)",
    "DELETE FROM outbox.command",
    "DELETE FROM outbox.idempotency_key",
    "DELETE FROM outbox.unowned_idempotency_key",
    "DELETE FROM outbox.purged",
    "DELETE FROM outbox.command_history",
    "INSERT INTO outbox.purged (id, xid) VALUES (1, '3')",
    "DELETE FROM outbox.dead_letter_event",
    "SELECT outbox.purge_dead_letters(0, now(), 1)",
}
CHANGE_EVENTS: Final = {
    "UPDATE outbox.event SET topic = 'other'",
    "UPDATE outbox.event SET xid = '3'",
    "ALTER TABLE outbox.event DISABLE TRIGGER ALL",
}
READ_EVENTS: Final = {
    "SELECT payload FROM outbox.event",
    "SELECT key FROM outbox.event_default",
    "SELECT headers FROM outbox.event",
    "SELECT topic FROM outbox.dead_letter_event",
    "SELECT key FROM outbox.dead_letter",
}
WRITE: Final = {
    "INSERT INTO outbox.event (topic, type) VALUES ('orders', 'v')",
    "SELECT outbox.publish('orders', 'k', 'v', '1')",
    "INSERT INTO outbox.command (type, key, actor, payload) VALUES ('Do', 'k', 'a', '{}')",
    "SELECT outbox.submit('Do', 'k', '{}', 'a')",
}
EXECUTE: Final = {
    "SELECT payload FROM outbox.command",
    "SELECT error FROM outbox.command_history",
    "UPDATE outbox.command SET status = 'succeeded', result = '{}'",
    "DELETE FROM school.student",
}
PUBLISH: Final = {
    "UPDATE outbox.position SET batch = 1",
    "INSERT INTO outbox.position SELECT * FROM outbox.position",
    "INSERT INTO outbox.topic (topic, topic_id) VALUES ('t', 'i')",
    "DELETE FROM outbox.hold",
    "SELECT outbox.add_partition('2020-01-01')",
    "UPDATE outbox.dead_letter_event SET state = 'parked'",
    "UPDATE outbox.dead_letter_shard SET epoch = 1",
}
OPERATE: Final = {
    "INSERT INTO outbox.topic_right (role, topic) VALUES ('outbox_writer', '*')",
    "DELETE FROM outbox.command_right",
    "INSERT INTO outbox.source (role, source) VALUES ('outbox_writer', '/other')",
    "SELECT outbox.catch_up()",
    "SELECT outbox.park('orders')",
    "SELECT outbox.stop_parking('orders')",
    "SELECT outbox.redrive(everything => true)",
    "SELECT outbox.discard(everything => true)",
    "INSERT INTO outbox.dead_letter_order (action) VALUES ('redrive')",
    "SELECT outbox.retry_command(gen_random_uuid())",
}
OWN: Final = {
    "CREATE TABLE outbox.mine ()",
    "DROP TABLE outbox.command",
    "ALTER TABLE outbox.command DISABLE ROW LEVEL SECURITY",
    "DROP FUNCTION outbox.drop_partition(date)",
    "CREATE POLICY mine ON outbox.command USING (true)",
    "UPDATE outbox.migration SET checksum = ''",
    "UPDATE outbox.command SET payload = '{}'",
    "SELECT setval('outbox.event_id_seq', 1)",
}
REFUSED: Final[Mapping[str, set[str]]] = {
    "relaying_login": REMOVE | CHANGE_EVENTS | WRITE | EXECUTE | OPERATE | OWN,
    "executing_login": (REMOVE | CHANGE_EVENTS | READ_EVENTS | PUBLISH | OPERATE | OWN),
    "working_login": REMOVE | CHANGE_EVENTS | OPERATE | OWN,
    "purging_login": (
        {"DELETE FROM outbox.event", "DELETE FROM outbox.event_default", "TRUNCATE outbox.event"}
        | {"DELETE FROM outbox.dead_letter_event"}
        | {"DROP TABLE outbox.event", "DELETE FROM outbox.purged"}
        | CHANGE_EVENTS
        | READ_EVENTS
        | WRITE
        | EXECUTE
        | PUBLISH
        | OPERATE
        | OWN
    ),
    "operating_login": (
        {"SELECT outbox.drop_partition(current_date)", "DROP TABLE outbox.event"}
        | {"DELETE FROM outbox.command_history", "UPDATE outbox.command SET status = 'queued'"}
        | {"TRUNCATE outbox.event", "DELETE FROM outbox.command"}
        | {"SELECT outbox.purge_dead_letters(0, now(), 1)", "DELETE FROM outbox.dead_letter_order"}
        | WRITE
        | (OWN - {"SELECT setval('outbox.event_id_seq', 1)"})
        | {"DELETE FROM school.student", "SELECT outbox.add_partition('2020-01-01')"}
    ),
}


RELATIONS: Final = """
    SELECT relname, has_table_privilege('outbox_operator', oid, 'SELECT') FROM pg_class
    WHERE relnamespace = 'outbox'::regnamespace AND relkind IN ('r', 'p', 'v')
      AND NOT relispartition"""


@pytest.mark.usefixtures("_logins")
def test_an_operator_reads_every_table_and_raises_no_bound(
    connection: Connection, database: str
) -> None:
    """A bound that is higher than what topics take holds shards: the owner raises it."""
    readable: dict[str, bool] = dict(connection.execute(RELATIONS).fetchall())
    assert "bound" in readable
    assert [name for name, is_readable in readable.items() if not is_readable] == []
    with (
        logged_in(database, "operating_login") as link,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        link.execute("UPDATE outbox.bound SET bytes = 10000000")


@pytest.mark.parametrize("login", REFUSED)
@pytest.mark.usefixtures("_logins")
def test_a_part_of_the_rights_does_not_do_the_work_of_another(database: str, login: str) -> None:
    done = []
    with logged_in(database, login) as link:
        for order in sorted(REFUSED[login]):
            try:
                with link.transaction(force_rollback=True):
                    link.execute(order.encode())
            except psycopg.errors.InsufficientPrivilege:
                continue
            done.append(order)
    assert done == []


@pytest.mark.usefixtures("_logins")
@pytest.mark.parametrize("also", ["outbox_reader", "outbox_worker", "outbox_writer"])
def test_with_the_right_to_purge_goes_no_queued_command(
    connection: Connection, database: str, also: str
) -> None:
    """Not even where the login has other roles as well."""
    connection.execute(
        "INSERT INTO outbox.command (type, key, actor, payload) "
        "VALUES ('Do', 'k', 'a', '{}'), ('Do', 'done', 'a', '{}')"
    )
    connection.execute(
        "UPDATE outbox.command SET status = 'succeeded', result = '{}', finished_at = now() "
        "WHERE key = 'done'"
    )
    connection.execute("CREATE ROLE purges_and_more LOGIN IN ROLE outbox_purge")
    try:
        connection.execute(f"GRANT {also} TO purges_and_more".encode())
        with logged_in(database, "purges_and_more") as link:
            assert link.execute("DELETE FROM outbox.command").rowcount == 1
    finally:
        connection.execute("DROP ROLE purges_and_more")
    assert connection.execute("SELECT key FROM outbox.command").fetchall() == [("k",)]


@pytest.mark.usefixtures("_logins")
def test_with_the_right_to_purge_goes_no_event_that_is_not_published(
    connection: Connection, database: str
) -> None:
    connection.execute(
        "INSERT INTO outbox.event (topic, type, created_at) VALUES ('orders', 'v', '2020-01-01')"
    )
    with logged_in(database, "purging_login") as link:
        found = link.execute("SELECT removed FROM outbox.purge_default(0, now(), 10)").fetchone()
    assert found == (0,)


@pytest.mark.usefixtures("_logins")
def test_an_operator_mends_an_event_and_says_who_may_write(
    connection: Connection, database: str
) -> None:
    connection.execute("INSERT INTO outbox.event (topic, type) VALUES ('odrers', 'v'), ('x', 'v')")
    with logged_in(database, "operating_login") as link:
        link.execute("UPDATE outbox.event SET topic = 'orders' WHERE topic = 'odrers'")
        link.execute("DELETE FROM outbox.event WHERE topic = 'x'")
        link.execute("INSERT INTO outbox.topic_right (role, topic) VALUES ('victim', 'orders')")
        link.execute("INSERT INTO outbox.command_right (role, type) VALUES ('victim', 'Do*')")
        link.execute("DELETE FROM outbox.topic_right")
        link.execute("INSERT INTO outbox.source (role, source) VALUES ('victim', '/orders')")
    assert connection.execute("SELECT topic FROM outbox.event").fetchall() == [("orders",)]


@pytest.mark.usefixtures("_logins")
@pytest.mark.parametrize("topic", ["outbox.shards", "outbox_shards", "__consumer_offsets", "a b"])
def test_an_operator_redrives_to_no_topic_that_is_not_for_events(
    connection: Connection, database: str, topic: str
) -> None:
    insert(connection, 1)
    connection.execute(PARK, (1_000,))
    with logged_in(database, "operating_login") as link:
        with pytest.raises(psycopg.errors.CheckViolation):
            link.execute("SELECT outbox.redrive(everything => true, to_topic => %s)", (topic,))
        found = link.execute("SELECT outbox.redrive(everything => true, to_topic => 'other')")
        assert found.fetchone() == (2,)
