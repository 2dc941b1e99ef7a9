"""What a session of ours is like, whoever logs in and whatever stands between.

Role, database and environment may set how values look and how long a statement may take.
Ours are set by a statement once the session is open: a pooler refuses what it does not know
of the parameters of a connection, or leaves them out and says nothing.
"""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import psycopg

from outbox_worker.errors import ServerError, SettingsError
from outbox_worker.stores import session

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Session: TypeAlias = psycopg.Connection[tuple[Any, ...]]

Result = TypeVar("Result")

PINNED: Final[Mapping[str, str]] = {
    # A function or operator of a schema that others may create in could fit a call of ours better
    # than that of Postgres, and would then run with our rights.
    "search_path": "pg_catalog, pg_temp",
    "client_encoding": "UTF8",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "array_nulls": "on",
    "standard_conforming_strings": "on",
    "default_transaction_isolation": "read committed",
    "default_transaction_read_only": "off",
    "default_transaction_deferrable": "off",
    "statement_timeout": "0",
    "transaction_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
}
"""Where names are looked up, how values look, what a transaction is, and no time-out but those that
a kind of session has for itself. All are Postgres' own defaults but search_path, TimeZone and
client_encoding.

The options of one kind of session stand beside the loop that opens it: they say how long this
loop may wait and hold up others, which its other numbers rest on, and an application has some
of its own, of which nothing here may know. `tests/sql/test_sessions.py` lists them all."""

UNCONVERTED: Final = "SQL_ASCII"
"""The encoding of a database that holds any bytes, and converts none of them."""

ROUNDS: Final = 3
"""How often two sessions are compared: other clients of a busy pooler may come between once."""

SECOND_S: Final = 10.0
"""How long a pooler may take to let a second session in."""


def prepare(
    connection: Session, options: Mapping[str, str], open_another: Callable[[], Session]
) -> None:
    """Bring a new session into the form that all of ours have, and give it these options.

    Behind a pooler `open_another` opens a second one, to see that each keeps its process of
    the server. Raises `SettingsError` where it does not, or where the database converts no
    text; `ServerError` where the server's configuration allows no writing, or no second
    session comes; `psycopg.Error` where the server refuses a value.
    """
    if connection.info.parameter_status("server_encoding") == UNCONVERTED:
        raise SettingsError(
            f"The database {connection.info.dbname} has the encoding {UNCONVERTED}: "
            "it takes bytes for text that no reader can read",
            "Make a database WITH ENCODING 'UTF8' TEMPLATE template0, and move to it",
        )
    require_own_process(connection, open_another)
    _pin(connection, {**PINNED, **options})


def _pin(connection: Session, wanted: Mapping[str, str]) -> None:
    # By the defaults of a role it could be one that waits until it is safe to read.
    connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
    connection.read_only = connection.deferrable = False
    with connection.transaction():
        may_write = session.pin_settings(connection, wanted)
    connection.isolation_level = connection.read_only = connection.deferrable = None
    if not may_write:
        raise ServerError(
            "The configuration of the database server makes all sessions read-only "
            "(default_transaction_read_only = on)",
            "See who set it and why: a full disk, or a switch-over to another server",
        )


def require_own_process(connection: Session, open_another: Callable[[], Session]) -> bool:
    """Whether a pooler stands between; `SettingsError` where it changes the process of a session.

    `ServerError` where it gives no second one to compare with.
    """
    # A pooler makes up the number of the process that it tells its client.
    if session.find_process(connection) == connection.info.backend_pid:
        return False
    try:
        keeps = _within(SECOND_S, partial(_keeps_its_process, connection, open_another))
    except psycopg.errors.ProtocolViolation:
        # Of PgBouncer in statement mode, which allows no transactions.
        keeps = False
    if not keeps:
        raise SettingsError(
            "A pooler between this program and Postgres shares its sessions among clients, "
            "transaction by transaction or statement by statement (pool_mode of PgBouncer)",
            "Have OUTBOX_DATABASE_URL lead to Postgres itself, or to a pooler in session mode",
        )
    return True


def _keeps_its_process(first: Session, open_another: Callable[[], Session]) -> bool:
    """Whether two sessions have a process of the server each, for good.

    Who shares gives the process that was free last, or the one that was for longest. The
    first makes one change to the process that the other one just left; the second makes it
    change from one question to the next.
    """
    with open_another() as second:
        mine, theirs = session.find_process(first), session.find_process(second)
        if mine == theirs:
            return False
        for _ in range(ROUNDS):
            with second.transaction():
                seen = [session.find_process(second), session.find_process(first)]
            seen += [session.find_process(first), session.find_process(second)]
            if seen != [theirs, mine, mine, theirs]:
                return False
    return True


def _within(seconds: float, work: Callable[[], Result]) -> Result:
    """What `work` returns or raises; `ServerError` once it takes longer."""
    done: list[Result] = []
    failed: list[Exception] = []

    def run() -> None:
        try:
            done.append(work())
        except Exception as error:  # noqa: BLE001  it is raised in the thread that waits
            failed.append(error)

    # A thread: a session that a full pooler keeps waiting ends no call of ours.
    thread = threading.Thread(target=run, name="pooler", daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    if not done:
        raise ServerError(
            f"The pooler before the database gave no second session within {seconds:.0f} s",
            "Raise its pool_size: a worker has about ten sessions open, and two in each thread "
            "of commands for a moment",
        )
    return done[0]
