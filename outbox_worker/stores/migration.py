"""Statements over the record of migrations."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from outbox_worker.stores.loader import sql

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from outbox_worker.stores import Connection
    from outbox_worker.stores.loader import Migration


class Applied(NamedTuple):
    """A migration that ran."""

    number: int
    name: str
    checksum: str


class Holder(NamedTuple):
    """A session that migrates; `since` it is there, None where we may not see that."""

    pid: int
    application: str
    since: datetime | None


def find_table(connection: Connection) -> set[str]:
    """The columns of our table of migrations that are there."""
    row = connection.execute(sql.load("migration/find_table")).fetchone()
    return set() if row is None else set(row[0])


def list_taken(connection: Connection, schemas: Sequence[str]) -> list[str]:
    """Of schemas that migrations are about to make, those that somebody else has made."""
    rows = connection.execute(sql.load("migration/list_taken"), {"schemas": list(schemas)})
    return [row[0] for row in rows.fetchall()]


def create_table(connection: Connection) -> None:
    """Make the schema and the table of migrations where they are missing."""
    connection.execute(sql.load("migration/create_table"))


def lock(connection: Connection) -> None:
    """Wait until nobody else migrates; held until `unlock` or the end of the session.

    `psycopg.errors.LockNotAvailable` once lock_timeout is over.
    """
    connection.execute(sql.load("migration/lock"))


def find_holder(connection: Connection) -> Holder | None:
    """Who has the lock; None where nobody has it any more."""
    row = connection.execute(sql.load("migration/find_holder")).fetchone()
    return None if row is None else Holder(*row)


def unlock(connection: Connection) -> None:
    """Let others migrate."""
    connection.execute(sql.load("migration/unlock"))


def limit_locks(connection: Connection, milliseconds: int) -> None:
    """Wait at most so long for a lock (0: for ever), until the transaction ends."""
    connection.execute(sql.load("migration/limit_locks"), {"milliseconds": milliseconds})


def list_orders(connection: Connection, roles: Sequence[str]) -> list[str]:
    """The statements by which an administrator lets this user migrate, in order."""
    rows = connection.execute(sql.load("migration/list_orders"), {"roles": list(roles)})
    return [row[0] for row in rows.fetchall()]


class Owner(NamedTuple):
    """The role that owns the schema or is to own it.

    `is_fit`: nobody logs in as it, and it is no superuser. `may_hand_over`: we may make it the
    owner.
    """

    name: str
    is_fit: bool
    may_hand_over: bool


def find_owner(connection: Connection) -> Owner:
    """The role that owns the schema, or is to own it, whether or not it is there."""
    row = connection.execute(sql.load("migration/find_owner")).fetchone()
    if row is None:
        raise RuntimeError("migration/find_owner returned no row")
    return Owner(*row)


def hand_over(connection: Connection, owner: str, schemas: Sequence[str]) -> int:
    """Hand these schemas over to a role, made if it is missing; how many things changed."""
    given = {"owner": owner, "schemas": list(schemas)}
    row = connection.execute(sql.load("migration/hand_over"), given).fetchone()
    return 0 if row is None else int(row[0])


def apply_database_rights(connection: Connection) -> None:
    """Close schemas that migrations have made to whom the others are closed."""
    connection.execute(sql.load("migration/apply_database_rights"))


def list_applied(connection: Connection, owner: str) -> list[Applied]:
    """The migrations of the engine or an application that ran, in order."""
    rows = connection.execute(sql.load("migration/list_applied"), {"owner": owner})
    return [Applied(*row) for row in rows.fetchall()]


def insert_applied(connection: Connection, owner: str, step: Migration) -> None:
    """Note that a migration was applied."""
    connection.execute(
        sql.load("migration/insert_applied"),
        {"owner": owner, "number": step.number, "name": step.name, "checksum": step.checksum},
    )
