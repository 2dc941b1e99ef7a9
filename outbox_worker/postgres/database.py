"""Connections to Postgres: to a primary, with a dead peer noticed, no password in any error."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import conninfo, pq
from psycopg.types.numeric import Int8BinaryLoader

from outbox_worker.errors import OutboxError, ServerError, SettingsError, WorkFailedError
from outbox_worker.logs.safe_text import describe
from outbox_worker.postgres import credentials, session
from outbox_worker.settings import DatabaseUrl

if TYPE_CHECKING:
    from collections.abc import Mapping

    from outbox_worker.stores import Connection

XID8_OID: Final = 5069
"""pg_type.dat of Postgres: xid8, eight bytes like bigint; psycopg has no loader of its own."""

CONNECT_DEFAULTS: Final[Mapping[str, str | int]] = {
    "connect_timeout": 5,
    "target_session_attrs": "primary",
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""A worker talks to a primary; a peer that vanished is noticed in about ten seconds."""

READER_OPTIONS: Final[Mapping[str, str]] = {
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_sort": "off",
    "enable_incremental_sort": "off",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",
    "work_mem": "64MB",
    "statement_timeout": "60s",
}
"""Plans decide everything in the reads: on an unanalysed table of 3 million rows the planner
otherwise takes a sequential scan of 0.5 s for a poll that costs 0.3 ms over its index."""


NUMBERS: Final = frozenset(
    {
        "connect_timeout",
        "keepalives",
        "keepalives_idle",
        "keepalives_interval",
        "keepalives_count",
        "tcp_user_timeout",
    }
)
"""Parts of a URL that libpq reads as a number, most of them only once it is connected."""

NUMBER: Final = re.compile(r"\s*[+-]?[0-9]{1,9}\s*")
HIGHEST_PORT: Final = 65_535

PLACE: Final = frozenset({"host", "hostaddr", "port", "password"})
"""Parts that libpq is not asked about in advance: where the server is, and what is secret."""

NOWHERE: Final = "/nonexistent"
"""A folder without a socket: whoever connects there learns at once that nobody is there."""


NO_OPTIONS: Final[Mapping[str, str]] = {}

REFUSED_BY_POOLER: Final = re.compile(r"unsupported startup parameter(?: in options)?: (\S+)")
"""PgBouncer's words for a parameter of the connection that it does not know."""


def connect(url: str, *, application: str, options: Mapping[str, str] = NO_OPTIONS) -> Connection:
    """Open an autocommit connection to the primary, with the settings of `session.PINNED`.

    `options` are further settings of the server, by name; they win over those, and both over
    the URL's. Raises `SettingsError` where the URL cannot be read, a part of it cannot be
    whatever the server, or what it leads to gives no sessions of our own, and
    `ServerError` where no primary answers or it refuses us.
    """
    connection = _open(url, application)
    prepare(connection, url, options)
    connection.adapters.register_loader(XID8_OID, Int8BinaryLoader)
    return connection


def connect_to_look(url: str, *, application: str) -> Connection:
    """Open a connection whose transactions can only read, and that leaves no trace behind it.

    No setting of the session is changed and nothing is prepared: a pooler may share it with
    others. Raises as `connect`, but for what the session itself is like.
    """
    connection = _open(url, application)
    connection.prepare_threshold = None
    connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
    connection.read_only, connection.deferrable = True, False
    connection.adapters.register_loader(XID8_OID, Int8BinaryLoader)
    return connection


def open_beside(url: str, connection: Connection) -> Connection:
    """Another session like `connection` was when it was opened; raises as `connect`."""
    return _open(url, connection.info.get_parameters().get("application_name", ""))


def prepare(connection: Connection, url: str, options: Mapping[str, str]) -> None:
    """Give an open connection to `url` the settings of a session of ours.

    Where that does not work it is closed; raises as `connect`.
    """
    try:
        session.prepare(connection, options, partial(open_beside, url, connection))
    except BaseException as error:
        connection.close()
        if isinstance(error, psycopg.Error):
            raise unreachable(error, url) from error
        raise


def _open(url: str, application: str) -> Connection:
    try:
        return psycopg.connect(**arguments(url, application=application))
    except (psycopg.Error, UnicodeError) as error:
        forget_password(url)
        wrong = _wrong_setting(error, url)
        if wrong is not None:
            # The cause repeats the value, which may be a piece of a password.
            raise wrong from None
        raise unreachable(error, url) from error


def arguments(url: str, *, application: str) -> dict[str, Any]:
    """What `psycopg.connect` takes to open such a connection; raises as `connect`.

    The command for a password is asked, if there is one: what is returned is of this moment.
    """
    given = parse(url)
    if command := _password_command(url):
        given["password"] = credentials.source(command).password()
    return {
        **CONNECT_DEFAULTS,
        "application_name": application,
        **given,
        # Those of the URL alone: where this is given, libpq does not look for PGOPTIONS.
        "options": given.get("options", ""),
        # Whatever URL, environment, role and database say: by some encodings psycopg could not
        # send the first statement. Every pooler keeps this one for each of its clients.
        "client_encoding": "UTF8",
        "autocommit": True,
        "prepare_threshold": 0,
    }


def forget_password(url: str) -> None:
    """No connection came of the password that a command printed: ask it again for the next."""
    if command := _password_command(url):
        credentials.source(command).forget()


def _password_command(url: str) -> str:
    return url.password_command if isinstance(url, DatabaseUrl) else ""


def parse(url: str) -> dict[str, Any]:
    """The parts of a libpq URL or key=value string; `SettingsError` where it is none."""
    try:
        return {k: v for k, v in conninfo.conninfo_to_dict(url).items() if v is not None}
    except (psycopg.ProgrammingError, UnicodeError):
        # The cause repeats the string, and with it the password.
        raise SettingsError(
            "OUTBOX_DATABASE_URL is not a libpq URL or key=value string",
            "Write postgresql://user@host:5432/database; percent-encode special characters",
        ) from None


def _wrong_setting(error: Exception, url: str) -> SettingsError | None:
    """The error for the user if no server could resolve it; None if one could.

    Never with a value: of a password that is not encoded libpq takes pieces for other parts.
    """
    refused = REFUSED_BY_POOLER.search(str(error))
    if refused is not None:
        return SettingsError(
            f"A pooler before the database does not take the parameter {refused[1]}",
            "Take it out of OUTBOX_DATABASE_URL and out of the PG variables of the environment, "
            "or have the pooler ignore it (ignore_startup_parameters of PgBouncer)",
        )
    if _libpq_refuses({}):
        return SettingsError(
            "A PG variable of the environment has a value that cannot be: "
            "libpq reads them beside OUTBOX_DATABASE_URL",
            "See `env | grep ^PG`; correct it or take it away",
        )
    # Python gives up a host that cannot be a name before anybody is asked for it.
    part = "host" if isinstance(error, UnicodeError) else _wrong_part(parse(url))
    if not part:
        return None
    return SettingsError(
        f"The part {part} of OUTBOX_DATABASE_URL has a value that cannot be",
        "Correct it; in a user and a password percent-encode special characters (/ as %2F)",
    )


def _wrong_part(given: Mapping[str, Any]) -> str:
    """The name of the part that libpq would not take, empty where there is none."""
    for name in sorted(NUMBERS & given.keys()):
        if not NUMBER.fullmatch(given[name]):
            return name
    if not _ports_fit(given):
        return "port"
    parts = sorted(given.keys() - PLACE)
    if _libpq_refuses({name: given[name] for name in parts}):
        # The first one that does not fit to those before it.
        for count, name in enumerate(parts, 1):
            if _libpq_refuses({each: given[each] for each in parts[:count]}):
                return name
    return ""


def _ports_fit(given: Mapping[str, Any]) -> bool:
    """One port for all hosts or one for each, none of them impossible; empty is the default."""
    ports = given.get("port", "").split(",")
    hosts = (given.get("hostaddr") or given.get("host", "")).split(",")
    possible = all(
        not each.strip() or (NUMBER.fullmatch(each) and 0 < int(each) <= HIGHEST_PORT)
        for each in ports
    )
    return possible and len(ports) in {1, len(hosts)}


def _libpq_refuses(given: Mapping[str, Any]) -> bool:
    """Whether libpq does not even look for the server (PQping, PQPING_NO_ATTEMPT)."""
    # An address of the environment would be asked, for as long as it takes to find nobody.
    elsewhere = conninfo.make_conninfo(**{**given, "host": NOWHERE, "hostaddr": ""})
    return pq.PGconn.ping(elsewhere.encode()) == pq.Ping.NO_ATTEMPT


def unreachable(error: Exception, url: str) -> ServerError:
    """The error for the user: the server's own words, without the password."""
    words = describe(error)
    password = parse(url).get("password")
    if password:
        words = words.replace(str(password), "***")
    return ServerError(
        f"The database cannot be reached or refuses us: {words}",
        "Check OUTBOX_DATABASE_URL, that the server runs and is a primary, and lets this user in",
    )


def failure(error: psycopg.Error) -> OutboxError:
    """The error for the user from an error of Postgres during some work.

    `ServerError` where the database is away or refuses us; `WorkFailedError` where a
    statement of ours does not work there: that is no outage, and passes with no waiting.
    """
    words = describe(error)
    state = error.sqlstate or "none"
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return ServerError(
            f"The database refuses us: {words}",
            "Grant this user the role that its work needs: outbox_worker (run), outbox_purge "
            "(purge), outbox_operator (rebase, grant), outbox_reader (status)",
        )
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return ServerError(
            f"The database failed us: {words} (SQLSTATE {state})",
            "See the log of the database server; run the command again when it is well",
        )
    return WorkFailedError(
        f"The database refused a statement of this program: {words} (SQLSTATE {state})",
        "See the log of the database server for the statement; was the schema changed by hand?",
    )
