"""The tables of the database brought up to this program, or found not to fit it.

The engine has its migrations, and an application its own, numbered apart. Forward only. Each runs
in one transaction with the note that it ran, under an advisory lock: twenty programs at once do
it once.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import psycopg

from outbox_worker.errors import (
    SchemaVersionError,
    ServerError,
    SettingsError,
    WorkFailedError,
)
from outbox_worker.postgres.locks import LockRetry
from outbox_worker.stores import migration
from outbox_worker.stores.loader import sql
from outbox_worker.timing.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from outbox_worker.stores import Connection
    from outbox_worker.stores.loader import Migration

OLDEST_SERVER: Final = 15
"""The oldest Postgres whose statements ours are: 14 has no max() of transaction ids."""

LOCK_MS: Final = 1_500
"""How long one request for a lock may keep others waiting behind it. Longer than deadlock_timeout
(1 s), after which a vacuum of Postgres' own gives way."""

PATIENCE: Final = LockRetry("migrate", first_s=3.0, longest_s=3.0)
"""A pause takes half of that to all, so never less than others were kept waiting before it."""


@dataclass(frozen=True, slots=True)
class Tables:
    """What migrations make, in order: of the engine, or of the application of that name."""

    owner: str
    migrations: tuple[Migration, ...]

    @property
    def roles(self) -> frozenset[str]:
        """The roles that the migrations make or grant something to."""
        return frozenset(role for step in self.migrations for role in step.roles)

    @property
    def schemas(self) -> frozenset[str]:
        """The schemas that the migrations make."""
        return frozenset(name for step in self.migrations for name in step.schemas)


ENGINE: Final = Tables("outbox-worker", sql.migrations)


def _say_nothing(_: str) -> None:
    pass


def apply(
    connection: Connection,
    wanted: Sequence[Tables] = (ENGINE,),
    patience: LockRetry = PATIENCE,
    lock_ms: int = LOCK_MS,
    say: Callable[[str], None] = _say_nothing,
) -> list[str]:
    """Apply what is missing; what was applied, as people read it. `say` hears who is waited for.

    Raises `SchemaVersionError` where tables are newer than the program or a
    migration was edited after it ran, `ServerError` where rights are missing or the
    server is too old, `SettingsError` where a schema to be made is there already (nothing
    is applied then), `WorkFailedError` where others keep a table locked, or another program
    migrates for longer than the patience: what ended before then stays.
    """
    check_server(connection)
    done: list[str] = []
    # Whoever waited here for one that then gave up does not try for as long again.
    deadline = Deadline(patience.seconds)
    try:
        _wait_for_others(connection, patience, lock_ms, deadline, say)
        with _unlocked_after(connection):
            is_there = _has_ledger(connection)
            missing = [
                (each, step)
                for each in wanted
                for step in _missing(connection, each, is_there=is_there)
            ]
            _see_that_names_are_free(connection, [step for _, step in missing])
            for tables, step in missing:
                name = _called(tables, step)
                run = partial(_run, connection, tables, step, lock_ms)
                patience.until_free(f"A table that migration {name} changes", run, deadline)
                done.append(name)
                deadline = Deadline(patience.seconds)
            run = partial(_hand_over, connection, wanted, lock_ms)
            patience.until_free("A table that gets another owner", run, deadline)
    except psycopg.errors.InsufficientPrivilege as error:
        roles = {role for each in wanted for role in each.roles}
        roles.add(migration.find_owner(connection).name)
        raise ServerError(
            f"The database refuses the migration: {error.diag.message_primary}",
            "Run migrate as the owner of the schema and a user that may create roles, or let an "
            "administrator run once, and run it again: "
            f"{' '.join(migration.list_orders(connection, sorted(roles)))}",
        ) from error
    return done


def check(connection: Connection, wanted: Sequence[Tables] = (ENGINE,)) -> None:
    """See that the tables are those of this program; `SchemaVersionError` where they are not.

    `ServerError` where the server is too old.
    """
    check_server(connection)
    is_there = _has_ledger(connection)
    for each in wanted:
        if missing := _missing(connection, each, is_there=is_there):
            newest = len(each.migrations)
            raise SchemaVersionError(
                f"The tables of {each.owner} in the database are at {newest - len(missing)}, "
                f"this program needs {newest}",
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


def _see_that_names_are_free(connection: Connection, missing: Sequence[Migration]) -> None:
    """See that nobody else has made a schema that these migrations make."""
    wanted = [name for step in missing for name in step.schemas]
    if ENGINE.migrations[0] in missing:
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
    deadline: Deadline,
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
        if deadline.passed:
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


def _called(tables: Tables, step: Migration) -> str:
    return str(step) if tables == ENGINE else f"{step} of {tables.owner}"


def _run(connection: Connection, tables: Tables, step: Migration, lock_ms: int) -> None:
    """One migration and the note that it ran: both or neither."""
    with connection.transaction():
        migration.limit_locks(connection, lock_ms)
        migration.create_table(connection)
        connection.execute(step.body, prepare=False)
        migration.insert_applied(connection, tables.owner, step)


def _hand_over(connection: Connection, wanted: Sequence[Tables], lock_ms: int) -> None:
    """Give what migrations made to a role that nobody logs in as, if we are its owner.

    A function that runs with its owner's rights must not run with those of a superuser.
    """
    owner = migration.find_owner(connection)
    if not owner.may_hand_over:
        return
    if not owner.is_fit:
        raise SettingsError(
            f"The role {owner.name} can log in or is a superuser, and cannot own the outbox",
            f"Rename it, or run: ALTER ROLE {owner.name} NOLOGIN NOSUPERUSER;",
        )
    schemas = sorted({"outbox", *(name for each in wanted for name in each.schemas)})
    with connection.transaction():
        migration.limit_locks(connection, lock_ms)
        migration.hand_over(connection, owner.name, schemas)
        migration.apply_database_rights(connection)


def _has_ledger(connection: Connection) -> bool:
    """Whether anything was ever noted here; `SchemaVersionError` for notes of before 0.1."""
    columns = migration.find_table(connection)
    if columns == {"number", "name", "checksum"}:
        raise SchemaVersionError(
            "The tables of the database were made by a version before 0.1, whose migrations were "
            "cut anew",
            "Let the version that made them publish all that waits, then give this one a new "
            "database",
        )
    return "owner" in columns


def _missing(connection: Connection, tables: Tables, *, is_there: bool) -> Sequence[Migration]:
    """What is yet to run; what ran, if the ledger is there, must be ours, letter for letter."""
    ran = migration.list_applied(connection, tables.owner) if is_there else []
    ours = tables.migrations
    if len(ran) > len(ours):
        raise SchemaVersionError(
            f"The tables of {tables.owner} in the database are at {len(ran)}, newer than this "
            f"program ({len(ours)})",
            "Run a newer release",
        )
    for row, step in zip(ran, ours, strict=False):
        if row.checksum != step.checksum:
            raise SchemaVersionError(
                f"Migration {row.number:04}_{row.name} of {tables.owner} ran with another text "
                "than this program's",
                "Install the release that migrated this database, or a newer one; "
                "a migration is never edited",
            )
    return ours[len(ran) :]
