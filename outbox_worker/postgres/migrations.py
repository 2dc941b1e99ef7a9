"""The schema of the database brought up to this program, or found not to fit it.

Forward only. Each migration runs in one transaction with the note that it ran,
under an advisory lock: twenty programs at once do it once.
"""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

import psycopg

import sql
from outbox_worker.errors import (
    SchemaVersionError,
    ServerError,
    SettingsError,
    WorkFailedError,
)
from outbox_worker.postgres.locks import LockRetry
from outbox_worker.stores import migration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from outbox_worker.stores import Connection
    from outbox_worker.stores.migration import Applied

OLDEST_SERVER: Final = 15
"""The oldest Postgres whose statements ours are: 14 has no max() of transaction ids."""

MAKES_SCHEMA: Final = re.compile(rb"^CREATE SCHEMA (\w+);", re.MULTILINE)

LOCK_MS: Final = 1_500
"""How long one request for a lock may keep others waiting behind it. Longer than deadlock_timeout
(1 s), after which a vacuum of Postgres' own gives way."""

PATIENCE: Final = LockRetry("migrate", first_s=1.5, longest_s=1.5)


def _say_nothing(_: str) -> None:
    pass


def apply(
    connection: Connection,
    patience: LockRetry = PATIENCE,
    lock_ms: int = LOCK_MS,
    say: Callable[[str], None] = _say_nothing,
) -> list[str]:
    """Apply what is missing; the names of what was applied. `say` hears who is waited for.

    Raises `SchemaVersionError` where the schema is newer than the program or a
    migration was edited after it ran, `ServerError` where rights are missing or the
    server is too old, `SettingsError` where a schema to be made is there already (nothing
    is applied then), `WorkFailedError` where others keep a table locked, or another program
    migrates for longer than the patience: what ended before then stays.
    """
    check_server(connection)
    done: list[str] = []
    # Whoever waited here for one that then gave up does not try for as long again.
    began = time.monotonic()
    try:
        _wait_for_others(connection, patience, lock_ms, began, say)
        with _unlocked_after(connection):
            missing = sql.migrations()[len(_applied(connection)) :]
            _see_that_names_are_free(connection, missing)
            for step in missing:
                name = f"{step.number:04}_{step.name}"
                run = partial(_run, connection, step, lock_ms)
                patience.until_free(f"A table that migration {name} changes", run, began)
                done.append(name)
                began = time.monotonic()
    except psycopg.errors.InsufficientPrivilege as error:
        raise ServerError(
            f"The database refuses the migration: {error.diag.message_primary}",
            "Run migrate as the owner of the schema and a user that may create roles, or let an "
            "administrator run once, and run it again: "
            f"{' '.join(migration.list_orders(connection))}",
        ) from error
    return done


def check(connection: Connection) -> None:
    """See that the schema is the one of this program; `SchemaVersionError` where it is not.

    `ServerError` where the server is too old.
    """
    check_server(connection)
    applied = _applied(connection)
    newest = len(sql.migrations())
    if len(applied) < newest:
        raise SchemaVersionError(
            f"The schema of the database is at {len(applied)}, this program needs {newest}",
            "Run `outbox-worker migrate` with the rights to change the schema",
        )


def check_server(connection: Connection) -> None:
    """See that the server is new enough; `ServerError` with both versions where not."""
    number = connection.info.server_version
    if number < OLDEST_SERVER * 10_000:
        raise ServerError(
            f"The database server is Postgres {number // 10_000}.{number % 10_000}, and "
            f"outbox-worker needs {OLDEST_SERVER} or newer",
            f"Upgrade the server, or let OUTBOX_DATABASE_URL lead to one that is {OLDEST_SERVER} "
            "or newer",
        )


def _see_that_names_are_free(connection: Connection, missing: Sequence[sql.Migration]) -> None:
    """See that nobody else has made a schema that these migrations make."""
    wanted = [name.decode() for step in missing for name in MAKES_SCHEMA.findall(step.body)]
    if missing and missing[0].number == 1:
        wanted.append("outbox")
    if taken := migration.list_taken(connection, wanted):
        names = ", ".join(taken)
        raise SettingsError(
            f"The database of OUTBOX_DATABASE_URL has schemas of these names that are not "
            f"outbox-worker's: {names}; nothing was changed",
            "Give outbox-worker a database where these names are free, or rename yours: "
            f"{' '.join(f'ALTER SCHEMA {each} RENAME TO other_{each};' for each in taken)}",
        )


def _wait_for_others(
    connection: Connection,
    patience: LockRetry,
    lock_ms: int,
    began: float,
    say: Callable[[str], None],
) -> None:
    """Return once nobody else migrates this database, nor begins to while we pause.

    Whoever is waited for is named once; `WorkFailedError` once the patience is over.
    """
    named = False
    while not _has_lock(connection, lock_ms):
        holder = migration.find_holder(connection)
        if holder is None:
            continue
        since = (
            "" if holder.since is None else f", connected at {holder.since:%Y-%m-%d %H:%M:%S %Z}"
        )
        who = f"{holder.application or 'another program'} (pid {holder.pid}{since})"
        if time.monotonic() > began + patience.seconds:
            raise WorkFailedError(
                f"Another program migrates this database for long: {who}",
                f"What is done stays done; run {patience.command} again when that has ended, or "
                "end its session (pg_terminate_backend) if it is stuck",
            )
        if not named:
            say(f"waiting for {who}, which migrates this database")
            named = True


def _has_lock(connection: Connection, lock_ms: int) -> bool:
    try:
        with connection.transaction():
            migration.limit_locks(connection, lock_ms)
            migration.lock(connection)
    except psycopg.errors.LockNotAvailable:
        return False
    return True


@contextmanager
def _unlocked_after(connection: Connection) -> Iterator[None]:
    """Let others migrate when the block has ended."""
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
