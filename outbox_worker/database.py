"""Connections to Postgres: to a primary, with a dead peer noticed, no password in any error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

import psycopg
from psycopg import conninfo
from psycopg.types.numeric import Int8BinaryLoader

from outbox_worker.errors import SettingsError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Mapping

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]

XID8_OID: Final = 5069
"""pg_type.dat of Postgres: xid8, eight bytes like bigint; psycopg has no loader of its own."""

CONNECT_DEFAULTS: Final[Mapping[str, str | int]] = {
    "connect_timeout": 5,
    "target_session_attrs": "read-write",
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""A worker talks to a primary; a peer that vanished is noticed in about ten seconds."""

READER_OPTIONS: Final = " ".join(
    f"-c {name}={value}"
    for name, value in {
        "enable_seqscan": "off",
        "enable_bitmapscan": "off",
        "enable_sort": "off",
        "max_parallel_workers_per_gather": 0,
        "jit": "off",
        "plan_cache_mode": "force_generic_plan",
        "work_mem": "64MB",
        "statement_timeout": "60s",
    }.items()
)
"""Plans decide everything in the reads: on an unanalysed table of 3 million rows the planner
otherwise takes a sequential scan of 0.5 s for a poll that costs 0.3 ms over its index."""


def connect(url: str, *, application: str, options: str = "") -> Connection:
    """Open an autocommit connection to the primary.

    `options` are further server settings (`-c name=value`). Raises
    `SettingsError` where the URL cannot be read and `UnreachableError` where no
    primary answers or it refuses us.
    """
    try:
        connection = psycopg.connect(**arguments(url, application=application, options=options))
    except psycopg.OperationalError as error:
        raise unreachable(error, url) from error
    connection.adapters.register_loader(XID8_OID, Int8BinaryLoader)
    return connection


def arguments(url: str, *, application: str, options: str = "") -> dict[str, Any]:
    """What `psycopg.connect` takes to open such a connection; `SettingsError` as `connect`."""
    given = parse(url)
    return {
        **CONNECT_DEFAULTS,
        "application_name": application,
        **given,
        "options": f"{given.get('options', '')} {options}".strip(),
        "autocommit": True,
        "prepare_threshold": 0,
    }


def parse(url: str) -> dict[str, Any]:
    """The parts of a libpq URL or key=value string; `SettingsError` where it is none."""
    try:
        return {k: v for k, v in conninfo.conninfo_to_dict(url).items() if v is not None}
    except psycopg.ProgrammingError:
        # The cause repeats the string, and with it the password.
        raise SettingsError(
            "OUTBOX_DATABASE_URL is not a libpq URL or key=value string",
            "Write postgresql://user@host:5432/database; percent-encode special characters",
        ) from None


def unreachable(error: psycopg.Error, url: str) -> UnreachableError:
    """The error for a person: the server's own words, without the password."""
    words = " ".join(str(error).split())
    password = parse(url).get("password")
    if password:
        words = words.replace(str(password), "***")
    return UnreachableError(
        f"The database cannot be reached or refuses us: {words}",
        "Check OUTBOX_DATABASE_URL, that the server runs and is a primary, and lets this user in",
    )
