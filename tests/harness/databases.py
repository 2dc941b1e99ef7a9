"""Databases on servers of a test's own."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

import psycopg
from psycopg import conninfo
from psycopg import sql as identifiers

from outbox_school.school import school
from outbox_worker.local.ports import HOST
from outbox_worker.maintenance import partitions
from outbox_worker.postgres import database, migrations

if TYPE_CHECKING:
    from outbox_worker.local.postgres import PostgresServer

CREATE: Final = identifiers.SQL(
    "CREATE DATABASE {} ENCODING {} TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
)


LIST_OWNERS: Final = "SELECT rolname FROM pg_roles WHERE starts_with(rolname, 'outbox_owner_')"
CREATE_ROLE: Final = identifiers.SQL("CREATE ROLE {} NOLOGIN")


def copy_owners(source: PostgresServer, target: PostgresServer) -> None:
    """Make the owners of `source`'s databases on `target`: a dump names them."""
    with (
        psycopg.connect(source.url()) as old,
        psycopg.connect(target.url(), autocommit=True) as new,
    ):
        there = set(new.execute(LIST_OWNERS))
        for each in set(old.execute(LIST_OWNERS)) - there:
            new.execute(CREATE_ROLE.format(identifiers.Identifier(each[0])))


def make_empty_database(server: PostgresServer, encoding: str = "UTF8") -> str:
    """The name of a new empty database on `server`."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server.url(), autocommit=True) as admin:
        admin.execute(CREATE.format(identifiers.Identifier(name), identifiers.Literal(encoding)))
    return name


def make_database(server: PostgresServer) -> str:
    """The name of a new migrated database on `server`."""
    name = make_empty_database(server)
    with database.connect(server.url(name), application="tests") as link:
        migrations.apply(link, school.tables)
        partitions.run_once(link)
    return name


def through(url: str, port: int) -> str:
    """The same URL, but by way of a proxy on this port."""
    return conninfo.make_conninfo(url, host=HOST, port=port)


def of_either(one: PostgresServer, other: PostgresServer, name: str) -> str:
    """A URL of the database on whichever of the two servers takes writes."""
    ports = f"{HOST}:{one.port},{HOST}:{other.port}"
    return f"postgresql://postgres@{ports}/{name}?target_session_attrs=read-write"
