"""Statements over the tables that say what each role may write."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from outbox_worker.stores.loader import sql

if TYPE_CHECKING:
    from collections.abc import Sequence

    from outbox_worker.stores import Connection


class Right(NamedTuple):
    """What one role may: of the kind topic, command (which alone has an actor) or database.

    `role` is a name, or the number of a role that was dropped. The pattern of a database is its
    name.
    """

    role: str
    kind: str
    pattern: str
    actor: str | None


class Refused(NamedTuple):
    """A login that no right of this kind covers, while others have one."""

    login: str
    kind: str


class Denied(NamedTuple):
    """Rights that this login lacks of one thing, both as GRANT has them."""

    rights: str
    thing: str


class Access(NamedTuple):
    """What this login may do: whether use the schema at all, and which parts it lacks.

    `is_closed`: to use the schema takes a right on this database, beside a role.
    """

    login: str
    database: str
    is_let_in: bool
    is_closed: bool
    missing: list[str]


def find_access(connection: Connection, parts: Sequence[str]) -> Access:
    """Which of these parts of a worker's rights (relay, commands, purge) this login lacks.

    Nothing is lacking where the tables are not there yet.
    """
    row = connection.execute(sql.load("right/find_access"), {"parts": list(parts)}).fetchone()
    if row is None:
        raise RuntimeError("right/find_access returned no row")
    return Access(*row)


def find_role(connection: Connection, role: str) -> bool:
    """Whether there is a role of this name."""
    row = connection.execute(sql.load("right/find_role"), {"role": role}).fetchone()
    return row is not None and bool(row[0])


def insert_database(connection: Connection, role: str) -> bool:
    """Let a role use the outbox of this database; whether that is new."""
    return _change(connection, "right/insert_database", role=role)


def insert_topic(connection: Connection, role: str, topic: str) -> bool:
    """Let a role write to the topics of a pattern; whether that is new."""
    return _change(connection, "right/insert_topic", role=role, topic=topic)


def insert_command(connection: Connection, role: str, kind: str, actor: str) -> bool:
    """Let a role submit the commands of two patterns; whether that is new."""
    return _change(connection, "right/insert_command", role=role, type=kind, actor=actor)


def delete_database(connection: Connection, role: str) -> bool:
    """Take back what `insert_database` gave; whether it was there."""
    return _change(connection, "right/delete_database", role=role)


def delete_topic(connection: Connection, role: str, topic: str) -> bool:
    """Take back what `insert_topic` gave; whether it was there."""
    return _change(connection, "right/delete_topic", role=role, topic=topic)


def delete_command(connection: Connection, role: str, kind: str, actor: str) -> bool:
    """Take back what `insert_command` gave; whether it was there."""
    return _change(connection, "right/delete_command", role=role, type=kind, actor=actor)


def list_rights(connection: Connection) -> list[Right]:
    """Every right, by role."""
    return [Right(*row) for row in connection.execute(sql.load("right/list_rights"))]


def list_refused(connection: Connection) -> list[Refused]:
    """The logins that may do nothing of a kind, as things stand."""
    return [Refused(*row) for row in connection.execute(sql.load("right/list_refused"))]


def list_denied(connection: Connection, message: str) -> list[Denied]:
    """What this login lacks of the things with whose name a message of Postgres ends."""
    rows = connection.execute(sql.load("right/list_denied"), {"message": message})
    return [Denied(*row) for row in rows]


def _change(connection: Connection, name: str, **given: str) -> bool:
    return connection.execute(sql.load(name), given).rowcount > 0
