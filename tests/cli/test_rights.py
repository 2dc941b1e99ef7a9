"""`outbox-worker grant`, `revoke` and `grants`, as the owner of the schema runs them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import conninfo

from tests.cli.conftest import run_command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from outbox_worker.stores import Connection

WRITE = "INSERT INTO outbox.event (topic, type) VALUES (%s, 'v')"


@pytest.fixture
def shop(connection: Connection, database: str) -> Iterator[psycopg.Connection]:
    """The session of a service whose login is called shop."""
    connection.execute(
        "DO $$ BEGIN CREATE ROLE shop LOGIN IN ROLE outbox_writer; "
        "EXCEPTION WHEN duplicate_object THEN NULL; END $$"
    )
    with psycopg.connect(conninfo.make_conninfo(database, user="shop"), autocommit=True) as link:
        yield link


def granted(database: str) -> list[list[str]]:
    done = run_command("grants", "--json", database_url=database)
    assert done.returncode == 0, done.stderr
    return [list(each.values()) for each in json.loads(done.stdout)]


def test_what_is_granted_may_be_written_and_nothing_else(
    database: str, shop: psycopg.Connection
) -> None:
    done = run_command("grant", "postgres", "--topic", "*", database_url=database)
    assert (done.returncode, done.stdout) == (0, "1 new\n")
    assert "warning: shop has outbox_writer and may write to no topic\n" in done.stderr
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        shop.execute(WRITE, ("orders.placed",))
    given = ["--topic", "orders.*", "--command", "Do*", "--command", "Undo", "--actor", "me"]
    done = run_command("grant", "shop", *given, database_url=database)
    assert (done.returncode, done.stdout) == (0, "3 new\n")
    assert "shop" not in done.stderr
    assert run_command("grant", "shop", *given, database_url=database).stdout == "nothing new\n"
    shop.execute(WRITE, ("orders.placed",))
    assert granted(database) == [
        ["postgres", "topic", "*", None],
        ["shop", "topic", "orders.*", None],
        ["shop", "command", "Do*", "me"],
        ["shop", "command", "Undo", "me"],
    ]
    shown = run_command("grants", database_url=database).stdout
    assert "orders.*" in shown


def test_what_is_taken_back_is_gone_all_or_nothing(database: str) -> None:
    given = ["outbox_writer", "--topic", "a", "--command", "Do"]
    assert run_command("grant", *given, database_url=database).returncode == 0
    done = run_command("revoke", *given, "--topic", "b", database_url=database)
    assert done.returncode == 1
    assert "outbox_writer has no right on --topic b; nothing was changed" in done.stderr
    assert len(granted(database)) == 2
    done = run_command("revoke", *given, database_url=database)
    assert (done.returncode, done.stdout) == (0, "2 taken back\n")
    assert granted(database) == []


def test_the_rights_of_a_dropped_role_are_shown_and_taken_back(
    connection: Connection, database: str
) -> None:
    connection.execute("CREATE ROLE gone_soon")
    assert run_command("grant", "gone_soon", "--topic", "a", database_url=database).returncode == 0
    connection.execute("DROP ROLE gone_soon")
    ((number, *_),) = granted(database)
    assert number.isdigit()
    assert run_command("revoke", number, "--topic", "a", database_url=database).returncode == 0
    assert granted(database) == []


def test_only_the_owner_changes_rights(database: str, shop: psycopg.Connection) -> None:
    url = conninfo.make_conninfo(database, user=shop.info.user)
    done = run_command("grant", "shop", "--topic", "*", database_url=url)
    assert done.returncode == 3
    assert "the owner of the schema" in done.stderr.lower()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["shop"], "Give --topic or --command"),
        (["shop", "--topic", "a", "--actor", "me"], "--actor belongs to --command"),
        (["shop", "--topic", ""], "A pattern is not empty"),
        (["no_such_role", "--topic", "*"], "There is no role 'no_such_role'"),
    ],
)
def test_what_makes_no_right_is_refused(database: str, arguments: list[str], words: str) -> None:
    done = run_command("grant", *arguments, database_url=database)
    assert done.returncode == 2
    assert words in done.stderr
    assert granted(database) == []


def test_a_login_of_another_database_is_told_what_lets_it_in(
    database: str, connection: Connection, shop: psycopg.Connection
) -> None:
    url = conninfo.make_conninfo(database, user=shop.info.user)
    done = run_command("grant", "postgres", "--database", database_url=database)
    assert (done.returncode, done.stdout) == (0, "1 new\n")
    assert "warning: shop has a role of the outbox and may not use this database\n" in done.stderr
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="for schema outbox"):
        shop.execute(WRITE, ("orders.placed",))
    for command in (["status"], ["grants"], ["purge", "--older-than-days", "1"]):
        done = run_command(*command, database_url=url)
        assert done.returncode == 3
        assert "the right to use this database" in done.stderr
        assert "outbox-worker grant shop --database" in done.stderr
    assert granted(database) == [["postgres", "database", connection.info.dbname, None]]
    assert run_command("grant", "shop", "--database", database_url=database).returncode == 0
    shop.execute(WRITE, ("orders.placed",))
    done = run_command("revoke", "shop", "--database", database_url=database)
    assert (done.returncode, done.stdout) == (0, "1 taken back\n")
    assert run_command("revoke", "shop", "--database", database_url=database).returncode == 1
