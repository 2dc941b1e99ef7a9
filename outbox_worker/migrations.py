"""The schema of the database brought up to this program, or found not to fit it.

Forward only. Each migration runs in one transaction with the note that it ran,
under an advisory lock: twenty programs at once do it once.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

import psycopg

import sql
from outbox_worker.errors import SchemaVersionError, UnreachableError
from outbox_worker.locks import LockPatience
from outbox_worker.stores import migration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from outbox_worker.database import Connection
    from outbox_worker.stores.migration import Applied

ROLES_WAY_OUT: Final = (
    "Run migrate as a user that may create roles and the schema, or let an administrator run "
    "once: CREATE ROLE outbox_writer NOLOGIN; CREATE ROLE outbox_worker NOLOGIN; "
    "CREATE ROLE outbox_reader NOLOGIN; GRANT CREATE ON DATABASE ... TO the user of migrate"
)

LOCK_MS: Final = 1_500
"""How long one request for a lock may keep others waiting behind it. Longer than deadlock_timeout
(1 s), after which a vacuum of Postgres' own gives way."""

PATIENCE: Final = LockPatience("migrate", first_s=1.5, longest_s=1.5)

NO_LIMIT: Final = 0
"""Whoever waits until another program has migrated keeps nobody from a table."""


def apply(
    connection: Connection, patience: LockPatience = PATIENCE, lock_ms: int = LOCK_MS
) -> list[str]:
    """Apply what is missing; the names of what was applied.

    Raises `SchemaVersionError` where the schema is newer than the program or a
    migration was edited after it ran, `UnreachableError` where rights are missing,
    `WorkFailedError` where others keep a table locked: what ended before then stays.
    """
    done: list[str] = []
    # Whoever waited here for one that then gave up does not try for as long again.
    began = time.monotonic()
    try:
        with _alone(connection):
            for step in sql.migrations()[len(_applied(connection)) :]:
                name = f"{step.number:04}_{step.name}"
                run = partial(_run, connection, step, lock_ms)
                patience.until_free(f"A table that migration {name} changes", run, began)
                done.append(name)
                began = time.monotonic()
    except psycopg.errors.InsufficientPrivilege as error:
        raise UnreachableError(
            f"The database refuses the migration: {error.diag.message_primary}", ROLES_WAY_OUT
        ) from error
    return done


def check(connection: Connection) -> None:
    """See that the schema is the one of this program; `SchemaVersionError` where it is not."""
    applied = _applied(connection)
    newest = len(sql.migrations())
    if len(applied) < newest:
        raise SchemaVersionError(
            f"The schema of the database is at {len(applied)}, this program needs {newest}",
            "Run `outbox-worker migrate` with the rights to change the schema",
        )


@contextmanager
def _alone(connection: Connection) -> Iterator[None]:
    """Nobody else migrates this database meanwhile, also while we pause between two tries."""
    with connection.transaction():
        migration.limit_locks(connection, NO_LIMIT)
        migration.lock(connection)
    try:
        yield
    finally:
        # A session that is lost has let it go.
        if not connection.closed:
            migration.unlock(connection)


def _run(connection: Connection, step: sql.Migration, lock_ms: int) -> None:
    """One migration and the note that it ran: both or neither."""
    with connection.transaction():
        migration.limit_locks(connection, lock_ms)
        migration.create_table(connection)
        connection.execute(step.body, prepare=False)
        migration.insert_applied(connection, step.number, step.name, step.checksum)


def _applied(connection: Connection) -> list[Applied]:
    """What ran; every migration must be one of ours, letter for letter."""
    applied = migration.list_applied(connection) if migration.find_table(connection) else []
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
    return applied
