"""Two databases of one server: what a login has in one does not work in the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import psycopg
import pytest

from outbox_school.school import school
from outbox_worker.postgres import migrations
from tests.security.conftest import logged_in

if TYPE_CHECKING:
    from outbox_worker.stores import Connection

LET_IN: Final = "INSERT INTO outbox.database_right (role) VALUES (%s::regrole)"
TRIED: Final = {
    "attacker": (
        "SELECT outbox.publish('orders', 'k', 'v', '1')",
        "SELECT outbox.submit('Do', 'k', '{}', 'a')",
        "INSERT INTO outbox.event (topic, type) VALUES ('orders', 'v')",
        "INSERT INTO outbox.command (type, key, actor, payload) VALUES ('Do', 'k', 'a', '{}')",
        "SELECT event_id FROM outbox.event",
        "SELECT * FROM outbox.command",
    ),
    "reading_login": ("SELECT payload FROM outbox.event", "SELECT * FROM domain.student"),
    "working_login": (
        "SELECT payload FROM outbox.event",
        "UPDATE outbox.position SET batch = 1",
        "UPDATE outbox.command SET status = 'succeeded', result = '{}'",
        "SELECT outbox.add_partition('2020-01-01')",
        "DELETE FROM school.student",
    ),
    "relaying_login": ("SELECT payload FROM outbox.event",),
    "executing_login": ("SELECT * FROM outbox.command", "DELETE FROM school.student"),
    "purging_login": (
        "SELECT outbox.drop_partition(current_date)",
        "DELETE FROM outbox.command",
        "DELETE FROM school.batch",
    ),
    "operating_login": ("DELETE FROM outbox.event", "DELETE FROM outbox.database_right"),
}
SCHEMA_RIGHTS: Final = """
    SELECT nspname, nspacl::text FROM pg_namespace
    WHERE nspname IN ('outbox', 'school', 'domain') ORDER BY nspname"""


def works(database: str, login: str) -> list[str]:
    """What of its list the login may do."""
    done = []
    with logged_in(database, login) as link:
        for order in TRIED[login]:
            try:
                with link.transaction(force_rollback=True):
                    link.execute(order.encode())
            except psycopg.errors.InsufficientPrivilege as error:
                if "for schema" not in str(error):
                    raise
                continue
            done.append(order)
    return done


@pytest.mark.usefixtures("_logins")
def test_a_login_of_another_database_does_nothing_here(
    connection: Connection, database: str, victim: Connection
) -> None:
    open_to_all = [len(works(database, login)) for login in TRIED]
    assert open_to_all == [len(orders) for orders in TRIED.values()], "seen to be tried for real"
    connection.execute(LET_IN, ("victim",))
    assert {login: works(database, login) for login in TRIED} == {login: [] for login in TRIED}
    victim.execute("SELECT outbox.publish('orders', 'k', 'v', '1')")
    victim.execute(
        "INSERT INTO outbox.command (type, key, actor, payload) VALUES ('D','k','a','{}')"
    )
    connection.execute("SELECT outbox.publish('orders', 'k', 'v', '1')")


@pytest.mark.usefixtures("_logins")
def test_who_is_let_in_has_the_rights_of_its_roles_and_no_others(
    connection: Connection, database: str
) -> None:
    with connection.transaction():
        for login in ("reading_login", "working_login"):
            connection.execute(LET_IN, (login,))
    assert works(database, "reading_login") == list(TRIED["reading_login"])
    assert works(database, "working_login") == list(TRIED["working_login"])
    with (
        logged_in(database, "reading_login") as link,
        pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied for"),
    ):
        link.execute("SELECT outbox.publish('orders', 'k', 'v', '1')")


@pytest.mark.usefixtures("_logins")
def test_with_the_last_right_the_database_is_as_it_was(
    connection: Connection, database: str
) -> None:
    before = connection.execute(SCHEMA_RIGHTS).fetchall()
    connection.execute(LET_IN, ("victim",))
    connection.execute(LET_IN, ("outbox_writer",))
    assert works(database, "attacker") == list(TRIED["attacker"])
    connection.execute("DELETE FROM outbox.database_right WHERE role = 'outbox_writer'::regrole")
    assert works(database, "attacker") == []
    connection.execute("DELETE FROM outbox.database_right")
    after = connection.execute(SCHEMA_RIGHTS).fetchall()
    assert [(name, sorted(acl.strip("{}").split(","))) for name, acl in after] == [
        (name, sorted(acl.strip("{}").split(","))) for name, acl in before
    ]


@pytest.mark.usefixtures("_logins")
def test_a_schema_that_a_later_migration_opens_is_closed_by_migrate(
    connection: Connection, database: str
) -> None:
    connection.execute(LET_IN, ("victim",))
    connection.execute("GRANT USAGE ON SCHEMA domain TO outbox_reader")
    assert works(database, "reading_login") == ["SELECT * FROM domain.student"]
    assert migrations.apply(connection, school.tables) == []
    assert works(database, "reading_login") == []
