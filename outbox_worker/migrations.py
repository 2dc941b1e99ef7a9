"""The schema of the database brought up to this program, or found not to fit it.

Forward only. Each migration runs in one transaction with the note that it ran,
under an advisory lock: twenty programs at once do it once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import psycopg

import sql
from outbox_worker.errors import SchemaVersionError, UnreachableError
from outbox_worker.stores import migration

if TYPE_CHECKING:
    from outbox_worker.database import Connection
    from outbox_worker.stores.migration import Applied

ROLES_WAY_OUT: Final = (
    "Run migrate as a user that may create roles and the schema, or let an administrator run "
    "once: CREATE ROLE outbox_writer NOLOGIN; CREATE ROLE outbox_worker NOLOGIN; "
    "CREATE ROLE outbox_reader NOLOGIN; GRANT CREATE ON DATABASE ... TO the user of migrate"
)


def apply(connection: Connection) -> list[str]:
    """Apply what is missing; the names of what was applied.

    Raises `SchemaVersionError` where the schema is newer than the program or a
    migration was edited after it ran, `UnreachableError` where rights are missing.
    """
    done: list[str] = []
    try:
        for step in sql.migrations():
            with connection.transaction():
                migration.lock(connection)
                migration.create_table(connection)
                applied = migration.list_applied(connection)
                _compare(applied)
                if step.number > len(applied):
                    connection.execute(step.body, prepare=False)
                    migration.insert_applied(connection, step.number, step.name, step.checksum)
                    done.append(f"{step.number:04}_{step.name}")
    except psycopg.errors.InsufficientPrivilege as error:
        raise UnreachableError(
            f"The database refuses the migration: {error.diag.message_primary}", ROLES_WAY_OUT
        ) from error
    return done


def check(connection: Connection) -> None:
    """See that the schema is the one of this program; `SchemaVersionError` where it is not."""
    applied = migration.list_applied(connection) if migration.find_table(connection) else []
    _compare(applied)
    newest = len(sql.migrations())
    if len(applied) < newest:
        raise SchemaVersionError(
            f"The schema of the database is at {len(applied)}, this program needs {newest}",
            "Run `outbox-worker migrate` with the rights to change the schema",
        )


def _compare(applied: list[Applied]) -> None:
    """Every migration that ran must be one of ours, letter for letter."""
    ours = sql.migrations()
    if len(applied) > len(ours):
        raise SchemaVersionError(
            f"The schema of the database is at {len(applied)}, newer than this program "
            f"({len(ours)})",
            "Run a newer outbox-worker",
        )
    for row, step in zip(applied, ours, strict=False):
        if row.checksum != step.checksum:
            raise SchemaVersionError(
                f"Migration {row.number:04}_{row.name} ran with another text than this program's",
                "Install the release that migrated this database, or a newer one; "
                "a migration is never edited",
            )
