"""Statements about the session itself, for whoever opens one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from outbox_worker.stores.loader import sql

if TYPE_CHECKING:
    from collections.abc import Mapping

    from outbox_worker.stores import Connection


def pin_settings(connection: Connection, wanted: Mapping[str, str]) -> bool:
    """Give settings of the session these values; whether it may write.

    A setting that the server does not know is left out; `psycopg.Error` for a value that
    it does not take.
    """
    found = connection.execute(
        sql.load("session/pin_settings"), {"wanted": json.dumps(dict(wanted))}, prepare=False
    ).fetchone()
    return found is not None and bool(found[0])


def find_process(connection: Connection) -> int:
    """The process id of the server's side, which another one may have behind a pooler."""
    row = connection.execute(sql.load("session/find_process"), prepare=False).fetchone()
    if row is None:
        raise RuntimeError("session/find_process returned no row")
    return int(row[0])
