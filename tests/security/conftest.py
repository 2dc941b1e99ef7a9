"""Two services that do not trust each other: each has a login of its own with `outbox_writer`."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import psycopg
import pytest
from psycopg import conninfo
from psycopg import sql as identifiers

from outbox_worker.postgres import database as connections

if TYPE_CHECKING:
    from collections.abc import Iterator

    from outbox_worker.local.postgres import PostgresServer
    from outbox_worker.stores import Connection

LOGINS: Final = {
    "victim": "outbox_writer",
    "attacker": "outbox_writer",
    "working_login": "outbox_worker",
    "relaying_login": "outbox_relay",
    "executing_login": "outbox_commands",
    "purging_login": "outbox_purge",
    "operating_login": "outbox_operator",
    "reading_login": "outbox_reader",
}
EXISTS: Final = "SELECT FROM pg_roles WHERE rolname = %s"
CREATE: Final = identifiers.SQL("CREATE ROLE {} LOGIN IN ROLE {}")


@pytest.fixture(scope="session")
def _logins(postgres: PostgresServer) -> None:
    """Logins belong to the server: they are made once."""
    with psycopg.connect(postgres.url(), autocommit=True) as admin:
        for login, role in LOGINS.items():
            if admin.execute(EXISTS, (login,)).fetchone() is None:
                admin.execute(
                    CREATE.format(identifiers.Identifier(login), identifiers.Identifier(role))
                )


@contextmanager
def logged_in(database: str, login: str) -> Iterator[Connection]:
    """An autocommit session of this login."""
    url = conninfo.make_conninfo(database, user=login)
    with connections.connect(url, application=login) as link:
        link.execute("SET default_transaction_isolation = 'read committed'")
        yield link


@pytest.fixture
def victim(database: str, _logins: None) -> Iterator[Connection]:
    """The session of a service."""
    with logged_in(database, "victim") as link:
        yield link


@pytest.fixture
def attacker(database: str, _logins: None) -> Iterator[Connection]:
    """The session of another service, which tries what it can."""
    with logged_in(database, "attacker") as link:
        yield link
