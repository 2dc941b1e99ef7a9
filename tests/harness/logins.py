"""A login whose role has a value of its own for everything that a session of ours relies on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import psycopg
from psycopg import conninfo
from psycopg import sql as identifiers

if TYPE_CHECKING:
    from collections.abc import Mapping

STRANGE: Final[Mapping[str, str]] = {
    "search_path": "elsewhere",
    "client_encoding": "LATIN1",
    "DateStyle": "SQL, DMY",
    "IntervalStyle": "sql_standard",
    "TimeZone": "Asia/Kathmandu",
    "bytea_output": "escape",
    "extra_float_digits": "-15",
    "array_nulls": "off",
    "standard_conforming_strings": "off",
    "default_transaction_isolation": "serializable",
    "default_transaction_read_only": "on",
    "default_transaction_deferrable": "on",
    "statement_timeout": "150ms",
    "transaction_timeout": "200ms",
    "lock_timeout": "5ms",
    "idle_in_transaction_session_timeout": "250ms",
    "idle_session_timeout": "300ms",
}

ROLE: Final = "strange_login"
EXISTS: Final = "SELECT FROM pg_roles WHERE rolname = %s"
CREATE: Final = "CREATE ROLE strange_login LOGIN SUPERUSER"
SET: Final = identifiers.SQL("ALTER ROLE strange_login SET {} = {}")


def strange(url: str) -> str:
    """The URL for that login, which is made where it is missing."""
    with psycopg.connect(url, autocommit=True) as admin:
        if admin.execute(EXISTS, (ROLE,)).fetchone() is None:
            admin.execute(CREATE)
            for name, value in STRANGE.items():
                admin.execute(SET.format(identifiers.Identifier(name), identifiers.Literal(value)))
    return conninfo.make_conninfo(url, user=ROLE)
