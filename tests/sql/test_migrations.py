"""Migrations: once each, whatever runs at once; a schema that does not fit is refused."""

from __future__ import annotations

import re
import subprocess
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import conninfo

from outbox_school.school import school
from outbox_worker.errors import SchemaVersionError, ServerError, SettingsError
from outbox_worker.local.postgres import PostgresServer
from outbox_worker.maintenance import partitions
from outbox_worker.postgres import database as connections
from outbox_worker.postgres import migrations
from outbox_worker.timing.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Iterator

    from outbox_worker.stores import Connection

SNAPSHOT = Path(__file__).with_name("schema.sql")
COMMENTS = ("--", "\\", "SET ", "SELECT pg_catalog.set_config")
SCHEMAS = ("outbox", "school", "domain")
TABLES = school.tables
ENGINE, SCHOOL = TABLES
ALL = [str(each) for each in ENGINE.migrations] + [
    f"{each} of school" for each in SCHOOL.migrations
]


@pytest.fixture
def empty(postgres: PostgresServer) -> Iterator[str]:
    """The URL of a database without our schema."""
    name = f"empty_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres.url(), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}".encode())
        yield postgres.url(name)
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def test_migrating_twice_changes_nothing(empty: str) -> None:
    with connections.connect(empty, application="tests") as link:
        assert migrations.apply(link, TABLES) == ALL
        assert migrations.apply(link, TABLES) == []
        migrations.check(link, TABLES)


def test_twenty_at_once_apply_each_migration_once(empty: str) -> None:
    def migrate(_: int) -> list[str]:
        with connections.connect(empty, application="tests") as link:
            return migrations.apply(link, TABLES)

    with ThreadPoolExecutor(20) as threads:
        done = [name for names in threads.map(migrate, range(20)) for name in names]
    assert sorted(done) == sorted(ALL)


def test_an_empty_database_is_older_than_the_program(empty: str) -> None:
    with (
        connections.connect(empty, application="tests") as link,
        pytest.raises(SchemaVersionError, match="are at 0") as caught,
    ):
        migrations.check(link)
    assert "outbox-worker migrate" in caught.value.hint


def test_a_newer_schema_is_refused(connection: Connection) -> None:
    for older in (
        (replace(ENGINE, migrations=ENGINE.migrations[:-1]),),
        (ENGINE, replace(SCHOOL, migrations=SCHOOL.migrations[:-1])),
    ):
        said = f"tables of {older[-1].owner} .* newer than this program"
        for look in (migrations.check, migrations.apply):
            with pytest.raises(SchemaVersionError, match=said):
                look(connection, older)


def test_an_edited_migration_is_refused(connection: Connection) -> None:
    connection.execute("UPDATE outbox.migration SET checksum = 'edited' WHERE number = 1")
    with pytest.raises(SchemaVersionError, match="another text"):
        migrations.check(connection)


def everything(link: Connection) -> list[tuple[str, ...]]:
    """Every schema of the database, and what stands in it."""
    return link.execute(
        "SELECT nspname, relname FROM pg_namespace LEFT JOIN pg_class "
        "ON relnamespace = pg_namespace.oid WHERE nspname !~ '^pg_' ORDER BY 1, 2"
    ).fetchall()


@pytest.mark.parametrize(
    "made",
    [
        "CREATE SCHEMA school",
        "CREATE SCHEMA domain",
        "CREATE SCHEMA outbox; CREATE TABLE outbox.message (id int)",
        "CREATE SCHEMA outbox; CREATE TABLE outbox.migration (version text)",
        "CREATE SCHEMA outbox; CREATE FUNCTION outbox.f() RETURNS int RETURN 1",
        "CREATE SCHEMA outbox; CREATE TYPE outbox.kind AS ENUM ('a')",
    ],
)
def test_a_schema_of_somebody_else_is_named_before_anything_is_applied(
    empty: str, made: str
) -> None:
    name = made.removeprefix("CREATE SCHEMA ").partition(";")[0]
    with connections.connect(empty, application="tests") as link:
        for order in made.split(";"):
            link.execute(order.encode())
        before = everything(link)
        with pytest.raises(SettingsError, match=f"not outbox-worker's: {name};") as caught:
            migrations.apply(link, TABLES)
        assert f"ALTER SCHEMA {name} RENAME" in caught.value.hint
        assert everything(link) == before
        link.execute(f"ALTER SCHEMA {name} RENAME TO other".encode())
        assert migrations.apply(link, TABLES) == ALL


def test_schemas_that_a_newer_release_makes_are_looked_for_beside_ours(empty: str) -> None:
    """As after a release that stopped half-way: the first schema is ours, the second is not."""
    with connections.connect(empty, application="tests") as link:
        migrations.apply(link)
        link.execute("CREATE SCHEMA school")
        with pytest.raises(SettingsError, match="not outbox-worker's: school;"):
            migrations.apply(link, TABLES)
        assert len(link.execute("SELECT FROM outbox.migration").fetchall()) == len(
            ENGINE.migrations
        )


def test_an_application_that_is_added_later_gets_its_tables(empty: str) -> None:
    with connections.connect(empty, application="tests") as link:
        migrations.apply(link)
        migrations.check(link)
        with pytest.raises(
            SchemaVersionError, match=f"of school .* are at 0, .* {len(SCHOOL.migrations)}"
        ):
            migrations.check(link, TABLES)
        assert migrations.apply(link, TABLES) == ALL[len(ENGINE.migrations) :]
        migrations.check(link, TABLES)


def test_tables_of_a_version_before_the_first_release_are_named(empty: str) -> None:
    with connections.connect(empty, application="tests") as link:
        link.execute("CREATE SCHEMA outbox")
        link.execute("CREATE TABLE outbox.migration (number int, name text, checksum text)")
        for look in (migrations.check, migrations.apply):
            with pytest.raises(SchemaVersionError, match=r"before 0\.1"):
                look(link, TABLES)


def test_an_empty_schema_that_an_administrator_made_is_used(empty: str) -> None:
    with connections.connect(empty, application="tests") as link:
        link.execute("CREATE SCHEMA outbox")
        assert migrations.apply(link, TABLES) == ALL


def test_a_server_that_is_too_old_is_refused_with_both_versions(
    empty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By today's server, and a program that wants a later one; `make matrix` asks a real 14."""
    with connections.connect(empty, application="tests") as link:
        here = link.info.server_version // 10_000
        monkeypatch.setattr(migrations, "OLDEST_SERVER", here + 1)
        for look in (migrations.apply, migrations.check):
            with pytest.raises(
                ServerError, match=rf"Postgres {here}\.\d+, and .* {here + 1} or newer"
            ):
                look(link, TABLES)
        assert not link.execute("SELECT WHERE to_regnamespace('outbox') IS NOT NULL").fetchall()


ORDERS = re.compile(r"(?:CREATE ROLE|GRANT) [^;]+;")


def refusal(url: str) -> ServerError:
    """What `apply` says to a user that may not migrate."""
    with (
        connections.connect(url, application="tests") as link,
        pytest.raises(ServerError, match="refuses the migration") as caught,
    ):
        migrations.apply(link, TABLES)
    return caught.value


def test_what_an_administrator_is_told_to_run_lets_a_plain_user_migrate() -> None:
    with PostgresServer() as server:
        with psycopg.connect(server.url(), autocommit=True) as admin:
            admin.execute('CREATE ROLE "plain user" LOGIN')
            admin.execute("CREATE ROLE second LOGIN")
            for shop in ("one", "another"):
                admin.execute(f'CREATE DATABASE "the {shop} shop"'.encode())
        # For the second database the roles are there, and made by another user.
        for shop, user, roles in (("one", "plain user", 9), ("another", "second", 1)):
            url = conninfo.make_conninfo(server.url(), dbname=f"the {shop} shop")
            orders = ORDERS.findall(refusal(conninfo.make_conninfo(url, user=user)).hint)
            assert sum(each.startswith("CREATE ROLE") for each in orders) == roles
            with psycopg.connect(url, autocommit=True) as admin:
                for order in orders:
                    admin.execute(order.encode())
            with connections.connect(
                conninfo.make_conninfo(url, user=user), application="tests"
            ) as link:
                assert migrations.apply(link, TABLES) == ALL
                partitions.run_once(link)


def test_writers_have_at_least_as_long_as_they_were_kept_waiting() -> None:
    backoff = Backoff(migrations.PATIENCE.first_s, migrations.PATIENCE.longest_s)
    assert min(backoff.next() for _ in range(200)) * 1_000 >= migrations.LOCK_MS


def dump(postgres: PostgresServer, url: str) -> str:
    """The schema as pg_dump writes it, without comments, settings and the days' partitions."""
    order = [
        str(postgres.binary("pg_dump")),
        *(f"--schema={each}" for each in SCHEMAS),
        *("--schema-only", "--no-owner", "--exclude-table=outbox.event_2*", url),
    ]
    text = subprocess.run(order, check=True, capture_output=True, text=True).stdout
    lines = [line for line in text.splitlines() if line and not line.startswith(COMMENTS)]
    return "\n".join(lines) + "\n"


def test_the_schema_is_the_reviewed_one(postgres: PostgresServer, database: str) -> None:
    """After a new migration `python -m tests.sql` writes schema.sql anew, to be reviewed."""
    assert dump(postgres, database) == SNAPSHOT.read_text(), "see `python -m tests.sql`"
