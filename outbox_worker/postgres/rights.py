"""What each role may write, changed in one transaction.

Docs: docs/operations.md, Several teams, one outbox.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import psycopg

from outbox_worker.errors import ServerError, SettingsError, WorkFailedError
from outbox_worker.postgres import access, migrations
from outbox_worker.stores import right

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from outbox_worker.stores import Connection


@dataclass(frozen=True, slots=True)
class Patterns:
    """What a role may: write topics, and commands of each type as each actor; use the database."""

    topics: Sequence[str]
    types: Sequence[str]
    actors: Sequence[str]
    database: bool = False

    def commands(self) -> Iterator[tuple[str, str]]:
        """Each type with each actor."""
        return product(self.types, self.actors)


def grant(connection: Connection, role: str, patterns: Patterns) -> int:
    """Let `role` write these; how many of them are new.

    `SettingsError` where there is no such role, `ServerError` where we may not change rights.
    """
    with _changing(connection):
        if not right.find_role(connection, role):
            raise SettingsError(
                f"There is no role {role!r}",
                "Create it first (CREATE ROLE), or see `outbox-worker grants` for those that have "
                "rights",
            )
        new = [right.insert_topic(connection, role, topic) for topic in patterns.topics]
        new += [right.insert_command(connection, role, *each) for each in patterns.commands()]
        if patterns.database:
            new.append(right.insert_database(connection, role))
    return sum(new)


def revoke(connection: Connection, role: str, patterns: Patterns) -> int:
    """Take these back from `role`; how many they were.

    `WorkFailedError` where it does not have one of them: then nothing is changed. `ServerError`
    where we may not change rights.
    """
    with _changing(connection):
        for topic in patterns.topics:
            if not right.delete_topic(connection, role, topic):
                raise _not_there(f"{role} has no right on --topic {topic}")
        for kind, actor in patterns.commands():
            if not right.delete_command(connection, role, kind, actor):
                raise _not_there(f"{role} has no right on --command {kind} --actor {actor}")
        if patterns.database and not right.delete_database(connection, role):
            raise _not_there(f"{role} has no right on --database")
    return len(patterns.topics) + len(list(patterns.commands())) + patterns.database


def _not_there(message: str) -> WorkFailedError:
    return WorkFailedError(
        f"{message}; nothing was changed",
        "`outbox-worker grants` shows each right; give its patterns letter for letter",
    )


@contextmanager
def _changing(connection: Connection) -> Iterator[None]:
    try:
        access.need(connection)
        migrations.check(connection)
        with connection.transaction():
            yield
    except psycopg.errors.InsufficientPrivilege as error:
        raise ServerError(
            f"The database refuses us: {error.diag.message_primary}",
            "Only the owner of the schema and members of outbox_operator change rights: let "
            "OUTBOX_DATABASE_URL name such a login",
        ) from error
