"""Statements over the keys that writers gave to publish()."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sql

if TYPE_CHECKING:
    from datetime import datetime

    from outbox_worker.database import Connection


def count_keys(connection: Connection, before: datetime) -> int:
    """How many keys are older than `before`."""
    row = connection.execute(sql.load("idempotency/count_keys"), {"before": before}).fetchone()
    return 0 if row is None else int(row[0])


def purge_keys(connection: Connection, before: datetime, rows: int) -> int:
    """Delete up to `rows` keys older than `before`; how many those were."""
    parameters = {"before": before, "rows": rows}
    return connection.execute(sql.load("idempotency/purge_keys"), parameters).rowcount
